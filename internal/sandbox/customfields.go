package sandbox

import "strconv"

// customFields is GET /v1/Folders/{FolderId}/CustomFields (L2501): the user's
// own columns, every value a string as the document's sample (L2356) has it.
func customFields(r *request) (answer, error) {
	if _, err := r.folder(); err != nil {
		return answer{}, err
	}
	options := func() []map[string]string {
		return []map[string]string{{
			"ebpSystemTable": "false", "editCounter": "true", "lockable": "true", "recordSynchronizationInfo": "false",
			"recordSynchronizationVersionInfo": "false", "systemInfo": "true", "treeCategories": "false",
			"userDefinedColumnsCount": "2", "userDefinedVisible": "true", "userDefinedTableCount": "0",
			"allowCalculatedUserFields": "true", "isAlwaysEditable": "false",
		}}
	}
	column := func(i int, table, name, label, kind, length string) map[string]any {
		return map[string]any{
			"description": label, "defaultExpression": "", "columnValues": "", "program": "", "options": options(),
			"type": kind, "name": name, "nullable": "true", "autoIncrement": "false", "label": label, "system": "false",
			"userDefinedNullable": "true", "fromLinkTablesToCopyUserDefined": "", "characterCasing": "Normal", "length": length,
			"userDefinedLookupTableName": "", "internalColumnId": strconv.Itoa(i), "allowDisplayZerosAsEmpty": "false", "minValue": "",
			"maxValue": "", "associatedClearMemo": "", "displayTime": "false", "useSeconds": "false", "precision": "", "scale": "",
			"decimalNumber": "", "displayDecimalNumber": "", "tableName": table,
		}
	}
	table := func(name, label string, columns ...map[string]any) map[string]any {
		return map[string]any{
			"indexes": "", "options": options(), "columns": columns, "name": name, "label": label, "description": label,
			"relations": []any{},
		}
	}
	a := jsonAnswer(200, map[string]any{
		"schema": []any{map[string]any{
			"name": "UserDefined", "label": "Champs personnalisés",
			"tables": []any{
				table("Customer", "Clients", column(1, "Customer", "xx_Couleur_Preferee", "Couleur préférée", "String", "20"), column(2, "Customer", "xx_Date_Anniversaire", "Anniversaire", "DateTime", "")),
				table("Item", "Articles", column(3, "Item", "xx_Garantie_Mois", "Garantie (mois)", "Int", "")),
			},
		}},
		"version": "1.0",
	})
	return a, nil
}
