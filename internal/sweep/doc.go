// Package sweep reads lists again and again and tells what has changed. It keeps the
// cursor of each list in a state.Store, so that a read goes on where acknowledged
// records end, whichever process goes on with it.
//
// # Why nothing is lost by reading what was modified
//
// A sweep of mode incremental reads, in the order of the key, the rows whose effective
// date lies above a floor. The effective date of a row is that of its last modification,
// or of its creation where it was never modified. The next sweep's floor is fixed when a
// sweep starts, at time S, from G: the greatest effective date that EBP holds then.
//
// What is assumed of EBP, and nothing else:
//
//	(A) All dates come from one clock, and a version becomes visible less than lookback
//	    after the moment that its date names. Whatever zone the clock is in and
//	    whatever it is wrong by, short of a day, it only ever runs forwards.
//
// A version is what a row holds between two changes. Let one have the date D and become
// visible at T; let clock(T) be what EBP's clock then shows. (A) says
// clock(T) - lookback < D <= clock(T).
//
//  1. A sweep that starts after T reads the version, if D lies above its floor and the row
//     is not changed meanwhile: key paging returns every row that exists throughout and
//     fits the condition (package paging).
//  2. A sweep that starts at S, before T, may miss it: the row may lie where the sweep has
//     been already. Then the next sweep's floor lies below D. That floor is the greater of
//     two. One is G - lookback, inclusive: G was visible at S, so G <= clock(S) <= clock(T),
//     and D > clock(T) - lookback >= G - lookback. (Where G is asked for a while after S,
//     that while is taken off as well.) The other is a settled value V,
//     exclusive: V is settled for the sweep if it was visible at S - lookback, so
//     V <= clock(S) - lookback <= clock(T) - lookback < D.
//  3. The floor of the sweep after the first one that starts after T may lie above D: the
//     version has been read by then. So every version is read that stands until a sweep
//     that started after T has come by; one that is replaced earlier is replaced by a
//     version to which the same applies.
//
// A date that is seen later in a sweep never raises the floor: the rows between it and G
// may lie where the sweep has been already.
//
// A date in the future of EBP's own clock (somebody typed 2202) is no G: it would hide all
// that follows. Rows with such dates lie above every floor and are read by every sweep;
// they are recognised.
//
// In the hour that comes twice in autumn (A) does not hold: 02:10 follows 02:50. From two
// hours before the clock is set back until two hours after it the floor lies an hour
// lower and nothing is settled. Two hours before, so that the versions of that hour are
// among those that are recognised by then.
//
// # Why nothing comes twice
//
// The sweep keeps the versions that it delivered or recognised and that lie above the next
// floor: its window. The next sweep does not deliver what is in it. A version is known by
// the row's key, its date and a digest of its content: EBP's dates have whole seconds, and
// a row can be changed, read and changed again within one.
//
// When G has been visible for lookback at the start of a complete sweep, every row of that
// date has been read by it, and no other will come (A): the value is settled, the floor is
// exclusive, and thousands of rows of one bulk update are not read again. A value that is
// older than a day and two hours is settled at once: no difference of time zones makes it
// new.
//
// # What survives a crash
//
// The cursor of a list holds the floor, the window and, within a sweep, the place up to
// which all is acknowledged, together with what the next floor will be. It is one record,
// replaced as a whole by a compare-and-set, and written after the acknowledgement. So at
// every moment what is stored is true: everything up to the place was acknowledged. What
// was acknowledged in the moment before a crash is delivered again.
//
// # Changes
//
// A sweep of mode changes reads everything and compares a digest of each record with the
// stored one. The digest is stored when the record is acknowledged and before the place
// moves past it. A deletion is what a sweep that was read to its end has not met; the
// digest goes when its message is acknowledged. A sweep that fails or is cut off reports
// none, and one that misses suspiciously much is not believed until a person says so.
package sweep
