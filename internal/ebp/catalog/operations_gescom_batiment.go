package catalog

// sharedOperations are the operations that Gescom and Batiment document alike;
// names and paths are given without their product.
var sharedOperations = []sharedOperation{
	{gescomLine: 1753, batimentLine: 2677, Operation: Operation{
		Name: "folders.list", Method: "GET", Path: "/Folders",
		Scope: ScopeNone, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("folders"),
		Query: parameters("Offset", "Limit"),
		Key:   []string{"id"},
	}},
	{gescomLine: 1818, batimentLine: 2742, Operation: Operation{
		Name: "generic_query.list", Method: "GET", Path: "/Folders/{FolderId}/GenericQuery",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query:          parameters("TableName!", "Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "FromModifiedDate"),
		ModifiedColumn: "sysModifiedDate",
	}},
	{gescomLine: 1854, batimentLine: 2778, Operation: Operation{
		Name: "generic_query.get", Method: "GET", Path: "/Folders/{FolderId}/GenericQuery/{id}",
		Scope: ScopeFolderPath, Kind: KindGet, Records: RecordsAt("result", "results"),
		Query: parameters("TableName!", "Columns"),
	}},
	{gescomLine: 1911, batimentLine: 2835, Operation: Operation{
		Name: "dependencies.get", Method: "GET", Path: "/Dependencies/{TableName}",
		Scope: ScopeNone, Kind: KindGet, Records: RecordsAt("linkedTables"),
	}},
	{gescomLine: 2019, batimentLine: 2943, Operation: Operation{
		Name: "clients.list", Method: "GET", Path: "/Folders/{FolderId}/Clients",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("clients"),
		Query: parameters("TypeClient", "SearchTerm", "Offset", "Limit"),
		Key:   []string{"code"},
	}},
	{gescomLine: 2053, batimentLine: 2977, Operation: Operation{
		Name: "clients_extended.list", Method: "GET", Path: "/Folders/{FolderId}/Clients/ExtendedQuery",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "FromModifiedDate", "CustomerType", "CustomerActiveState", "FamilyIdNotIN", "FamilyIdIN", "FamilyIdValueNull", "SubFamilyIdNotIN", "SubFamilyIdIN", "SubFamilyIdValueNull"),
		Table: "Customer", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2114, batimentLine: 3038, Operation: Operation{
		Name: "clients_with_address.list", Method: "GET", Path: "/Folders/{FolderId}/Clients/ExtendedQuery/WithAddress",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "FromModifiedDate", "CustomerType", "CustomerActiveState", "FamilyIdNotIN", "FamilyIdIN", "FamilyIdValueNull", "SubFamilyIdNotIN", "SubFamilyIdIN", "SubFamilyIdValueNull"),
		Table: "Customer", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2132, batimentLine: 3056, Operation: Operation{
		Name: "sale_documents.list", Method: "GET", Path: "/Folders/{FolderId}/Documents/SaleDocument",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "SysModifiedDate", "ToDate", "Duration!", "DocumentType"),
		Table: "SaleDocument", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2162, batimentLine: 3086, Operation: Operation{
		Name: "sale_documents_with_lines.list", Method: "GET", Path: "/Folders/{FolderId}/Documents/SaleDocument/WithLines",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "SysModifiedDate", "ToDate", "Duration!", "DocumentType"),
		Table: "SaleDocument", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2180, batimentLine: 3104, Operation: Operation{
		Name: "purchase_documents.list", Method: "GET", Path: "/Folders/{FolderId}/Documents/PurchaseDocument",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "SysModifiedDate", "ToDate", "Duration!", "DocumentType"),
		Table: "PurchaseDocument", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2210, batimentLine: 3134, Operation: Operation{
		Name: "purchase_documents_with_lines.list", Method: "GET", Path: "/Folders/{FolderId}/Documents/PurchaseDocument/WithLines",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "SysModifiedDate", "ToDate", "Duration!", "DocumentType"),
		Table: "PurchaseDocument", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2222, batimentLine: 3146, Operation: Operation{
		Name: "documents.transfer", Method: "POST", Path: "/Folders/{FolderId}/Documents/Transfert",
		Scope: ScopeFolderPath, Kind: KindAction,
		Body: Body{Kind: BodyJSON, Fields: parameters("documentTypeName!", "originDocumentNumber!", "targetDocumentSubTypeName", "targetDocumentDate")}, Answer: Answer{Kind: AnswerEmpty},
	}},
	{gescomLine: 2256, batimentLine: 3180, Operation: Operation{
		Name: "items.list", Method: "GET", Path: "/Folders/{FolderId}/Items/ItemsExtentedQuery",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "SysModifiedDate", "FamilyIdNotIN", "FamilyIdIN", "FamilyIdValueNull", "SubFamilyIdNotIN", "SubFamilyIdIN", "SubFamilyIdValueNull", "ActiveStateExcluded"),
		Table: "Item", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id", AlternatePath: "/Folders/{FolderId}/Items/ItemsExtendedQuery",
	}},
	{gescomLine: 2301, batimentLine: 3225, Operation: Operation{
		Name: "items_with_tracking_stock.list", Method: "GET", Path: "/Folders/{FolderId}/Items/ItemsExtentedQuery/WithTrackingStock",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "SysModifiedDate", "FamilyIdNotIN", "FamilyIdIN", "FamilyIdValueNull", "SubFamilyIdNotIN", "SubFamilyIdIN", "SubFamilyIdValueNull", "ActiveStateExcluded"),
		Table: "Item", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id", AlternatePath: "/Folders/{FolderId}/Items/ItemsExtendedQuery/WithTrackingStock",
	}},
	{gescomLine: 2319, batimentLine: 3243, Operation: Operation{
		Name: "deals.list", Method: "GET", Path: "/Folders/{FolderId}/Deals/DealsExtendedQuery",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "DealStateExcluded", "ToDate", "Duration!"),
		Table: "Deal", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2348, batimentLine: 3272, Operation: Operation{
		Name: "deals_with_colleagues.list", Method: "GET", Path: "/Folders/{FolderId}/Deals/DealsExtendedQuery/WithColleagues",
		Scope: ScopeFolderPath, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("results"),
		Query: parameters("Columns", "OrderByValue", "Offset", "Limit", "WhereCondition", "DealStateExcluded", "ToDate", "Duration!"),
		Table: "Deal", Key: []string{"Id"}, ModifiedColumn: "sysModifiedDate", DefaultOrder: "Id",
	}},
	{gescomLine: 2501, batimentLine: 3425, Operation: Operation{
		Name: "custom_fields.get", Method: "GET", Path: "/Folders/{FolderId}/CustomFields",
		Scope: ScopeFolderPath, Kind: KindGet, Records: WholeBody,
	}},
}
