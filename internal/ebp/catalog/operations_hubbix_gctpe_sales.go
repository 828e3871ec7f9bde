package catalog

// hubbixGctpeSalesOperations are the documented operations of the Hubbix Gestion
// Commerciale TPE API on sale documents and settlements.
var hubbixGctpeSalesOperations = []Operation{
	{
		Name: "hubbix_gctpe.dashboards.sale_amount", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/dashboards/sale-amount-indicator",
		Scope: ScopeDomainHeader, Kind: KindGet,
		Answer:  Answer{Kind: AnswerText},
		DocLine: 4913,
	},
	{
		Name: "hubbix_gctpe.dashboards.sale_quotes", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/dashboards/sale-quote-indicator",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 4944,
	},
	{
		Name: "hubbix_gctpe.sale_commitments.list", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-commitments",
		Scope: ScopeDomainHeader, Kind: KindList, Paging: PagingTakeSkip, Total: "total", Records: RecordsAt("elements"),
		Query: parameters("take", "skip", "sortingOrder.property", "sortingOrder.sortType", "filter.query"),
		Key:   []string{"id"}, DefaultOrder: "id",
		DocLine: 6013,
	},
	{
		Name: "hubbix_gctpe.sale_credits.get_validated", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-credits/validated/{IdSaleCredit}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 6147,
	},
	{
		Name: "hubbix_gctpe.sale_credits.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-credits/{IdSaleCredit}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 6341,
	},
	{
		Name: "hubbix_gctpe.sale_credits.create", Method: "POST", Path: "/hubbix-gctpe/api/public/v1/sale-credits",
		Scope: ScopeDomainHeader, Kind: KindCreate,
		Body: Body{Kind: BodyJSON, PascalCase: true}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 6538,
	},
	{
		Name: "hubbix_gctpe.sale_credits.update", Method: "PUT", Path: "/hubbix-gctpe/api/public/v1/sale-credits/{IdSaleCredit}",
		Scope: ScopeDomainHeader, Kind: KindUpdate,
		Body: Body{Kind: BodyJSON, PascalCase: true}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 6723,
	},
	{
		Name: "hubbix_gctpe.sale_credits.delete", Method: "DELETE", Path: "/hubbix-gctpe/api/public/v1/sale-credits/{IdSaleCredit}",
		Scope: ScopeDomainHeader, Kind: KindDelete,
		Answer:  Answer{Kind: AnswerNumber},
		DocLine: 6809,
	},
	{
		Name: "hubbix_gctpe.sale_deposit_credits.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-deposit-credits/{IdSaleDepositCredit}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 6874,
	},
	{
		Name: "hubbix_gctpe.sale_deposit_credits.create", Method: "POST", Path: "/hubbix-gctpe/api/public/v1/sale-deposit-credits",
		Scope: ScopeDomainHeader, Kind: KindCreate,
		Body: Body{Kind: BodyJSON}, Answer: Answer{Kind: AnswerNumber},
		Irreversible: true,
		DocLine:      6985,
	},
	{
		Name: "hubbix_gctpe.sale_deposit_invoices.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-deposit-invoices/{IdSaleDepositInvoice}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 7082,
	},
	{
		Name: "hubbix_gctpe.sale_deposit_invoices.create", Method: "POST", Path: "/hubbix-gctpe/api/public/v1/sale-deposit-invoices",
		Scope: ScopeDomainHeader, Kind: KindCreate,
		Body: Body{Kind: BodyJSON}, Answer: Answer{Kind: AnswerNumber},
		Irreversible: true,
		DocLine:      7156,
	},
	{
		Name: "hubbix_gctpe.sale_documents.list", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-documents",
		Scope: ScopeDomainHeader, Kind: KindList, Paging: PagingTakeSkip, Total: "total", Records: RecordsAt("elements"),
		Query: parameters("take", "skip", "sortingOrder.property", "sortingOrder.sortType", "filter.query"),
		Key:   []string{"id"}, DefaultOrder: "id",
		DocLine: 7291,
	},
	{
		Name: "hubbix_gctpe.sale_invoices.get_validated", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-invoices/validated/{IdSaleInvoice}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 7445,
	},
	{
		Name: "hubbix_gctpe.sale_invoices.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-invoices/{IdSaleInvoice}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 7662,
	},
	{
		Name: "hubbix_gctpe.sale_invoices.create", Method: "POST", Path: "/hubbix-gctpe/api/public/v1/sale-invoices",
		Scope: ScopeDomainHeader, Kind: KindCreate,
		Body: Body{Kind: BodyJSON, PascalCase: true}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 7875,
	},
	{
		Name: "hubbix_gctpe.sale_invoices.update", Method: "PUT", Path: "/hubbix-gctpe/api/public/v1/sale-invoices/{IdSaleInvoice}",
		Scope: ScopeDomainHeader, Kind: KindUpdate,
		Body: Body{Kind: BodyJSON, PascalCase: true}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 8062,
	},
	{
		Name: "hubbix_gctpe.sale_invoices.delete", Method: "DELETE", Path: "/hubbix-gctpe/api/public/v1/sale-invoices/{IdSaleInvoice}",
		Scope: ScopeDomainHeader, Kind: KindDelete,
		Answer:  Answer{Kind: AnswerNumber},
		DocLine: 8148,
	},
	{
		Name: "hubbix_gctpe.sale_quotes.get_invoiced", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-quotes/invoiced/{IdSaleQuote}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 8179,
	},
	{
		Name: "hubbix_gctpe.sale_quotes.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-quotes/{IdSaleQuote}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 8349,
	},
	{
		Name: "hubbix_gctpe.sale_quotes.create", Method: "POST", Path: "/hubbix-gctpe/api/public/v1/sale-quotes",
		Scope: ScopeDomainHeader, Kind: KindCreate,
		Body: Body{Kind: BodyJSON, PascalCase: true}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 8499,
	},
	{
		Name: "hubbix_gctpe.sale_quotes.update", Method: "PUT", Path: "/hubbix-gctpe/api/public/v1/sale-quotes/{IdSaleQuote}",
		Scope: ScopeDomainHeader, Kind: KindUpdate,
		Body: Body{Kind: BodyJSON, PascalCase: true}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 8676,
	},
	{
		Name: "hubbix_gctpe.sale_quotes.delete", Method: "DELETE", Path: "/hubbix-gctpe/api/public/v1/sale-quotes/{IdSaleQuote}",
		Scope: ScopeDomainHeader, Kind: KindDelete,
		Answer:  Answer{Kind: AnswerNumber},
		DocLine: 8754,
	},
	{
		Name: "hubbix_gctpe.sale_units.list", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-units",
		Scope: ScopeDomainHeader, Kind: KindList, Paging: PagingTakeSkip, Total: "total", Records: RecordsAt("elements"),
		Query: parameters("take", "skip", "sortingOrder.property", "sortingOrder.sortType", "filter.query"),
		Key:   []string{"id"}, DefaultOrder: "id",
		DocLine: 8806,
	},
	{
		Name: "hubbix_gctpe.sale_units.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/sale-units/{IdSaleUnit}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 8873,
	},
	{
		Name: "hubbix_gctpe.settlements.list", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/settlements",
		Scope: ScopeDomainHeader, Kind: KindList, Paging: PagingTakeSkip, Total: "total", Records: RecordsAt("elements"),
		Query: parameters("take", "skip", "sortingOrder.property", "sortingOrder.sortType", "filter.query"),
		Key:   []string{"id"}, DefaultOrder: "id",
		DocLine: 9132,
	},
	{
		Name: "hubbix_gctpe.settlement_terms.list", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/settlement-terms",
		Scope: ScopeDomainHeader, Kind: KindList, Paging: PagingTakeSkip, Total: "total", Records: RecordsAt("elements"),
		Query: parameters("take", "skip", "sortingOrder.property", "sortingOrder.sortType", "filter.query"),
		Key:   []string{"id"}, DefaultOrder: "id",
		DocLine: 9331,
	},
	{
		Name: "hubbix_gctpe.settlement_terms.get", Method: "GET", Path: "/hubbix-gctpe/api/public/v1/settlement-terms/{IdSettlementTerm}",
		Scope: ScopeDomainHeader, Kind: KindGet,
		DocLine: 9403,
	},
	{
		Name: "hubbix_gctpe.settlement_terms.create", Method: "POST", Path: "/hubbix-gctpe/api/public/v1/settlement-terms",
		Scope: ScopeDomainHeader, Kind: KindCreate,
		Body: Body{Kind: BodyJSON}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 9466,
	},
	{
		Name: "hubbix_gctpe.settlement_terms.update", Method: "PUT", Path: "/hubbix-gctpe/api/public/v1/settlement-terms/{IdSettlementTerm}",
		Scope: ScopeDomainHeader, Kind: KindUpdate,
		Body: Body{Kind: BodyJSON}, Answer: Answer{Kind: AnswerNumber},
		DocLine: 9524,
	},
	{
		Name: "hubbix_gctpe.settlement_terms.delete", Method: "DELETE", Path: "/hubbix-gctpe/api/public/v1/settlement-terms/{IdSettlementTerm}",
		Scope: ScopeDomainHeader, Kind: KindDelete,
		Answer:  Answer{Kind: AnswerNumber},
		DocLine: 9559,
	},
}
