package sandbox

func addItemHandlers(h map[string]handler) {
	for _, p := range []string{"gescom", "batiment"} {
		h[p+".items.list"] = itemList(false)
		h[p+".items_with_tracking_stock.list"] = itemList(true)
	}
}

// itemList is GET /v1/Folders/{FolderId}/Items/ItemsExtentedQuery (L2256, so
// spelled); WithTrackingStock (L2301) adds the tracking numbers in stock under
// TrackingStockItems.
func itemList(tracking bool) handler {
	return func(r *request) (answer, error) {
		l, err := r.startList(tables["item"], "SysModifiedDate")
		if err != nil {
			return answer{}, err
		}
		if err := r.states(l, "ActiveStateExcluded", "ActiveState", activeStates, true); err != nil {
			return answer{}, err
		}
		for _, column := range []string{"FamilyId", "SubFamilyId"} {
			if err := r.family(l, column, true); err != nil {
				return answer{}, err
			}
		}
		if tracking {
			l.child = &child{table: tables["trackingstockitem"], column: "ItemId", order: "TrackingNumber", member: "TrackingStockItems"}
		}
		return r.run(l)
	}
}
