// Package sandbox is a local EBP: the HTTP API and the authorization server of
// the vendor, with data of its own, for developers without a subscription and
// for every test of this project.
//
// It is an independent reading of the vendor's API document (lines are cited
// as L1818): it shares no catalogue, paging or filter code with the client, so
// that a misunderstanding cannot pass its own test.
//
// # What it does
//
// Start listens on loopback; New gives a handler to mount. Sign-in state is a
// refresh token (Credentials, NewRefreshToken): each can be used once at
// LoginURL + "/connect/token". A first one also comes from the sign-in page,
// see below. The gateway in front asks for the subscription key and counts
// calls per second and per day; refused calls count for nothing, and the day
// turns at midnight UTC. Then come the read operations of gescom, batiment,
// maintenance, import models, hubbix_cpttpe and hubbix_gctpe. Operations that
// write, and jobs, answer 501.
//
// The awkward sides of the real service are here on purpose: 100 records per
// page, rows that share an order value in an order drawn anew at each call,
// keys in the casing of the request, three shapes of errors, a text collation
// without regard to case but to accents, GUIDs in SQL Server's order, decimals
// of 28 digits, NULL dates, half the rows modified at the same second, keys
// such as O'BRIEN, null or 2021-07-12.
//
// # Sign-in
//
// The authorization server behaves as the vendor's, an IdentityServer, does:
//
//   - GET /connect/authorize takes response_type=code, client_id, redirect_uri,
//     scope, state, nonce, code_challenge with code_challenge_method S256 or
//     plain, and prompt=login or none. It leads to a page in French with the
//     fields #email, #password and the button #sign-in, then to one with the
//     buttons #allow and #deny. Any password is right but "faux" and "wrong";
//     another e-mail than the one shown is another account.
//   - POST /connect/token takes authorization_code and refresh_token. Codes and
//     refresh tokens are single use; a code that comes twice withdraws what it
//     gave. PKCE is checked where it was asked for.
//   - GET /.well-known/openid-configuration describes it.
//
// A wrong client_id or redirect_uri is answered with a page, never with a
// redirect. Lifetimes are options.
//
// # What it has seen
//
// TokenEvents and Calls tell what came in and what became of it. A test that
// runs the sandbox as a process of its own reads the same as JSON; neither
// view holds a secret, asks for credentials or counts as a call:
//
//   - GET /sandbox/tokens: {"calls", "replays", "events"}, each event with the
//     members of TokenEvent;
//   - GET /sandbox/calls: {"total", "calls"}, each call with time (RFC 3339 with
//     nanoseconds), operation, status and folder.
//
// # Data
//
// The same Seed and Rows give the same data, whatever the clock: documents lie
// between 2021 and 2025. Tables are filled when first read. Everything lives
// in one in-memory SQLite database, which Exec and Query reach:
//
//   - f<dossier>_<Table>, such as f3691_Customer, with the columns the API
//     shows, for every table of the document's annex 1;
//   - cpttpe_auxiliary_type, cpttpe_auxiliary_account, cpttpe_general_account,
//     cpttpe_journal, cpttpe_vat_rate, cpttpe_entry, cpttpe_line,
//     cpttpe_bank_transaction and cpttpe_attachment, with a tenant column;
//   - gctpe_customer_group, gctpe_customer, gctpe_item_group, gctpe_item,
//     gctpe_payment_mode, gctpe_printing_model, gctpe_sale_commitment,
//     gctpe_sale_document, gctpe_sale_unit, gctpe_settlement,
//     gctpe_settlement_term, gctpe_vat_rate and gctpe_dashboard, with the
//     columns domain, seq, id, kind, search, summary and detail (JSON).
//
// Dates are text as 2006-01-02T15:04:05 without zone, decimals text, GUIDs
// lowercase text, booleans 0 and 1, images BLOB.
package sandbox
