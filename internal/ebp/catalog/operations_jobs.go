package catalog

// maintenanceOperations are the documented operations of the Maintenance API.
var maintenanceOperations = []Operation{
	{
		Name: "maintenance.folders.list", Method: "GET", Path: "/maintenance/api/v1/Folders",
		Scope: ScopeNone, Kind: KindList, Paging: PagingOffsetLimit, Records: RecordsAt("folders"),
		Query:   parameters("Offset", "Limit"),
		Key:     []string{"id"},
		DocLine: 3601,
	},
	{
		Name: "maintenance.users.unlog_all", Method: "POST", Path: "/maintenance/api/v1/Folders/{FolderId}/UnlogAll",
		Scope: ScopeFolderPath, Kind: KindAction,
		Answer:       Answer{Kind: AnswerEmpty},
		Irreversible: true,
		DocLine:      3619,
	},
	{
		Name: "maintenance.locks.unlock_all", Method: "POST", Path: "/maintenance/api/v1/Folders/{FolderId}/UnlockAll",
		Scope: ScopeFolderPath, Kind: KindAction,
		Answer:       Answer{Kind: AnswerEmpty},
		Irreversible: true,
		DocLine:      3636,
	},
}

// importOperations are the documented operations of the Import API.
var importOperations = []Operation{
	{
		Name: "import.imports.create", Method: "POST", Path: "/import/api/v1/CreateImport",
		Scope: ScopeFolderQuery, Kind: KindJobCreate,
		Query: parameters("FolderId!", "ImportCategory!", "ImportSettings!"),
		Body:  Body{Kind: BodyMultipart, Fields: parameters("file!")}, Answer: Answer{Kind: AnswerJSON, Status: 202, Field: "importId"},
		DocLine: 3662,
	},
	{
		Name: "import.imports.status", Method: "GET", Path: "/import/api/v1/StatutResultImport",
		Scope: ScopeNone, Kind: KindJobStatus,
		Query:   parameters("importId!"),
		DocLine: 3714,
	},
	{
		Name: "import.models.save", Method: "POST", Path: "/import/api/v1/ModelSettings",
		Scope: ScopeNone, Kind: KindAction,
		Body:    Body{Kind: BodyJSON, Fields: parameters("folderId!", "importSettings!", "importCategory!", "contentXml!")},
		DocLine: 3741,
	},
	{
		Name: "import.models.list", Method: "GET", Path: "/import/api/v1/ModelSettings",
		Scope: ScopeFolderQuery, Kind: KindList, Paging: PagingNone, Records: RecordsAt("settings"),
		Query:   parameters("FolderId!"),
		Key:     []string{"importSettings"},
		DocLine: 3773,
	},
	{
		Name: "import.models.get", Method: "GET", Path: "/import/api/v1/ModelSettings/{ImportSettings}",
		Scope: ScopeFolderQuery, Kind: KindGet,
		Query:   parameters("FolderId!"),
		DocLine: 3796,
	},
}

// associatedFileOperations are the documented operations of the associated files API.
var associatedFileOperations = []Operation{
	{
		Name: "associatedfile.files.add", Method: "POST", Path: "/associatedfile/api/v1/AddAssociatedFile",
		Scope: ScopeFolderQuery, Kind: KindJobCreate,
		Query: parameters("FolderId!", "Kind!", "Type!", "EntityId!"),
		Body:  Body{Kind: BodyMultipart, Fields: parameters("file!")}, Answer: Answer{Kind: AnswerJSON, Status: 202, Field: "associatedFileId"},
		DocLine: 3820,
	},
	{
		Name: "associatedfile.files.status", Method: "GET", Path: "/associatedfile/api/v1/AssociatedFileResult",
		Scope: ScopeNone, Kind: KindJobStatus,
		Query:   parameters("associatedFileId!"),
		DocLine: 3851,
	},
}

// exportOperations are the documented operations of the Export API.
var exportOperations = []Operation{
	{
		Name: "export.exports.create", Method: "POST", Path: "/export/api/v1/CreateExport/{format}",
		Scope: ScopeFolderBody, Kind: KindJobCreate,
		Body: Body{Kind: BodyJSON, Fields: parameters("kind!", "entityId!", "folderId!", "reportId")}, Answer: Answer{Kind: AnswerJSON, Status: 202, Field: "exportId"},
		DocLine: 3992,
	},
	{
		Name: "export.configurable_exports.create", Method: "POST", Path: "/export/api/v1/CreateConfigurableExport",
		Scope: ScopeFolderBody, Kind: KindJobCreate,
		Body: Body{Kind: BodyJSON, Fields: parameters("kind!", "modelName", "folderId")}, Answer: Answer{Kind: AnswerJSON, Status: 202, Field: "exportId"},
		DocLine: 4024,
	},
	{
		Name: "export.exports.status", Method: "GET", Path: "/export/api/v1/Status",
		Scope: ScopeNone, Kind: KindJobStatus,
		Query:   parameters("exportId!"),
		DocLine: 4056,
	},
	{
		Name: "export.exports.result", Method: "GET", Path: "/export/api/v1/Result",
		Scope: ScopeNone, Kind: KindJobResult,
		Query:   parameters("exportId!"),
		Answer:  Answer{Kind: AnswerFile},
		DocLine: 4086,
	},
}
