package input_ebp

const summary = "Reads tables, documents, accounting entries and every other list of the EBP REST APIs."

const description = `
Every record becomes a message, every page a batch. With ` + "`values: raw`" + ` the payload is the record exactly as EBP sent it, byte for byte, so that no decimal loses a digit; with ` + "`values: typed`" + ` every value has the type of its column.

Lists that take a condition are read by key: each page asks for what follows the last key, and no insert, delete or change elsewhere makes the read lose or repeat a record. Other lists can only be read by position. Each page overlaps the last by one record, so that a shift is noticed and repaired by stepping back: complete for every record that exists throughout and whose sort value is unique and unchanged. Where EBP sorts by itself there is no such value: ` + "`passes: 2`" + ` reads until two passes agree. The log says which promise holds.

EBP allows one call per second and 10,000 a day. A page is one call and holds 100 records at most.

== Modes

- ` + "`full`" + `: every record, each time.
- ` + "`incremental`" + `: the records that were modified, or created, since the last complete read, in their last version. A read begins at the greatest date that EBP held when the read before it started, less ` + "`lookback`" + `: what is edited during a read comes with the next one. Versions that were delivered are recognised and do not come again. It does not see deletions, nor values that EBP changes without a new date; ` + "`reconcile_every`" + ` finds the latter. Records without any date come with the first read only. Once the dates have settled, a read in which nothing changed costs one call per list.
- ` + "`changes`" + `: everything is read, and a digest of each record compared with that of the last read: what was inserted, updated and deleted. It sees every difference between two reads in the columns that are read, for any list whose records have a key, and costs the calls of a full read. A read that was not finished reports no deletion; one that misses more records than ` + "`max_deletions`" + ` allows reports none until a person has confirmed them. The digests need a state in ` + "`file:` or `postgres:`" + `.

== Cursors

A cursor keeps in ` + "`state`" + ` how far each list of each dossier was read. Its name is ` + "`cursor`" + `, or else the label of the input; mode ` + "`full`" + ` keeps one only where ` + "`cursor`" + ` is set, and then goes on with a read that was interrupted. It moves past messages that the pipeline has acknowledged, in their order, and never past others: nothing is lost when a process is killed, and what was not acknowledged by then comes again. With ` + "`auto_replay_nacks: false`" + ` a refused page counts as acknowledged.

Processes that use one cursor share its dossiers: each is read by one of them, and those of a process that died are taken over within a minute. ` + "`on_config_change`" + ` decides what to do with a cursor that was made for other columns or parameters, or another mode. ` + "`benthos-ebp cursor`" + ` lists cursors, shows them, and rewinds or resets them.

== Metadata

- ` + "`ebp_product`, `ebp_resource`, `ebp_table`, `ebp_folder`" + `: where the record comes from. ` + "`ebp_table` and `ebp_folder`" + ` are absent where there is none.
- ` + "`ebp_key`" + `: what identifies the record; for tables without an id a JSON array, such as item and storehouse. Absent where nothing does.
- ` + "`ebp_modified`" + `: the date of the last modification as EBP writes it, where the record holds it.
- ` + "`ebp_change`" + `: ` + "`upsert`" + `; in mode ` + "`changes`: `insert`, `update` or `delete`" + `. The payload of a ` + "`delete`" + ` is a JSON object of the key columns. With ` + "`sweep_marker`" + ` also ` + "`sweep_end`" + `.
- ` + "`ebp_sweep`" + `: the start of the read the record belongs to.

== Numbers

EBP's decimals have up to 28 digits. Assigning them in a mapping keeps every digit; arithmetic, ` + "`.number()`" + ` and ` + "`json()`" + ` go through a float and do not.

== Exit codes

A run without ` + "`interval`" + ` ends with code 3 when EBP does not accept the sign-in, with 1 when its cursor was made for another configuration, and with 4 when something could not be read, or when it was stopped before its end.
`

// example is a pipeline that the documentation shows.
type example struct{ title, summary, config string }

var examples = []example{
	{"Customers to the terminal",
		"A first look, on invented data. To read your own, leave out `url`, set the variables `EBP_SUBSCRIPTION_KEY`, `EBP_CLIENT_ID` and `EBP_CLIENT_SECRET`, and run `benthos-ebp login` once.",
		`
input:
  ebp:
    resource: gescom.generic_query
    table: Customer
    folders: ["*"]
    columns: [Id, Name, MainInvoicingAddress_City]
    url: "sandbox:"
`},
	{"Accounting entries of a year",
		"The entries of a Hubbix dossier, with documented query parameters.",
		`
input:
  ebp:
    resource: hubbix_cpttpe.line_entries
    folders: ["0189abef-09af-409f-ab89-012789abcdef"]
    parameters:
      startDate: "2025-01-01"
      endDate: "2025-12-31"
`},
	{"What changed in the sale documents, into Postgres",
		"Run it from cron, or add `interval: 15m`. The cursor has the name of the label. A record that comes again replaces itself.",
		`
input:
  label: sale_documents
  ebp:
    resource: gescom.sale_documents
    folders: ["3691"]
    columns: [Id, DocumentNumber, DocumentDate, CustomerId, AmountVatExcluded]
    mode: incremental

output:
  sql_raw:
    driver: pgx
    dsn: "${POSTGRES_DSN}"
    max_in_flight: 1 # of two versions of a record the later one stays
    query: |
      INSERT INTO sale_documents (folder, id, record) VALUES ($1, $2, $3::jsonb)
      ON CONFLICT (folder, id) DO UPDATE SET record = excluded.record
    args_mapping: root = [ @ebp_folder, @ebp_key, content().string() ]
`},
	{"Every change of a list without dates, deletions included",
		"Hubbix gives no date of modification: each read is a full one, and only what differs from the last comes out.",
		`
input:
  label: items
  ebp:
    resource: hubbix_gctpe.items
    folders: ["0189abef-09af-409f-ab89-012789abcdef"]
    mode: changes
    interval: 1h

output:
  switch:
    cases:
      - check: '@ebp_change == "delete"'
        output:
          file: { path: deleted.jsonl, codec: lines }
      - output:
          file: { path: items.jsonl, codec: lines }
`},
}
