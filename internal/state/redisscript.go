package state

import "github.com/redis/go-redis/v9"

// The client sends a request again whose answer was lost. Each script can be run twice
// without harm: it knows its own work by a word that nobody else has.
var (
	// KEYS: the record. ARGV: the version expected, the next one, the envelope, the word of
	// this put. Versions are compared as text: numbers lose digits in Lua.
	putScript = redis.NewScript(`
local found = redis.call('HMGET', KEYS[1], 'version', 'put')
if found[2] == ARGV[4] then
	return 1
end
if (found[1] or '0') ~= ARGV[1] then
	return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3], 'put', ARGV[4])
return 1`)

	// KEYS: the record, and a name that no other call has, under which a note is left for as
	// long as the request may be sent again. ARGV: the version expected.
	deleteScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[2]) == 1 then
	return 1
end
if redis.call('EXISTS', KEYS[1]) == 0 then
	return -1
end
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then
	return 0
end
redis.call('SET', KEYS[2], '1', 'PX', 60000)
redis.call('DEL', KEYS[1])
return 1`)

	// KEYS: the record, and a name that no other call has.
	asideScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[2]) == 1 then
	return 1
end
if redis.call('EXISTS', KEYS[1]) == 0 then
	return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1`)

	// KEYS: the lease. ARGV: the holder, the milliseconds.
	takeScript = redis.NewScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
	return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

	prolongScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

	dropScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return 0
end
return redis.call('DEL', KEYS[1])`)

	// KEYS: one that chooses the node.
	timeScript = redis.NewScript(`
local now = redis.call('TIME')
return {tonumber(now[1]), tonumber(now[2])}`)
)
