-- The database of receiptd.
--
-- You can read it with sqlite3 at any time, even while the daemon runs:
--
--     sqlite3 -readonly receiptd.db "select * from batch_summary"
--
-- Use -readonly: only the daemon may write. People should read the five VIEWS at the end (batch_summary,
-- destination_status, receipt_log, failures_by_code, quarantine_log): they have ISO times, numbers with
-- a plus, UUIDs as text, and the words of the REST API. The tables are designed for size and speed, and
-- may change with user_version.
--
-- In the tables, times are milliseconds since 1970 UTC. Phone numbers are the digits of E.164 as one
-- integer (447700900123). An identifier assigned by the provider is stored as 16 bytes if it is a UUID,
-- otherwise as the text that arrived. True and false are 1 and 0. (Checks of columns that change with
-- every receipt are ranges, because SQLite builds a table for each evaluation of `in (…)`.)

-- The identity and the state of this file, in one row.
create table instance (
    id          integer primary key constraint one_row check (id = 1),
    database_id text    not null,            -- assigned when the file is created; also in the identity file beside it
    created_at  integer not null,
    -- Incremented in the transaction that marks a batch as submitting. <database>.identity follows before
    -- the first byte is sent, so a file whose counter is behind it is an older copy.
    submissions integer not null default 0,
    -- The newest receipt that was ever pruned, so that its id is never reused.
    pruned_receipt integer not null default 0,
    is_copy     integer not null default 0 check (is_copy in (0, 1)),  -- set in a copy made by `backup`
    paused      integer not null default 0 check (paused in (0, 1))    -- whether sending is paused
) strict;

-- Batches: a text for a list of destinations, as requested, and its progress.
create table batch (
    id                integer primary key autoincrement,   -- in the order in which batches began to arrive; pages of lists use it
    uuid              text    not null constraint batch_uuid unique,
    provider_id       text,                                -- null until an answer of the provider has named one
    group_uuid        text,
    resend_of         text,
    reference         text,
    -- queued → submitting → submitted → complete; otherwise: rejected, unconfirmed, cancelled, validated.
    -- `scheduled` is not stored: it is `submitted` with a send_at in the future.
    -- In a complete batch, a destination without a receipt has expired.
    state             text    not null check (state in ('queued', 'submitting', 'submitted', 'complete',
                          'rejected', 'unconfirmed', 'cancelled', 'validated')),
    sender            text    not null,                    -- `from`, which is a reserved word in SQL
    message           text,                                -- null after [retention] messages has erased it
    parts             integer not null,
    channel           text    check (channel in ('sms', 'rcs')),
    fallback_channels text    not null default '[]',       -- JSON
    send_at           integer,
    allow_multi       integer not null check (allow_multi in (0, 1)),
    dry_run           integer not null check (dry_run in (0, 1)),
    content           blob    not null,                    -- SHA-256 of everything requested, to recognise a repeated request
    merged            integer not null,                    -- repeated numbers that were merged
    attempts          integer not null default 0,
    last_error        text,                                -- JSON {at, kind, status, detail}
    created_at        integer not null,
    submitted_at      integer,
    completed_at      integer,                             -- when the last destination became final
    asked_at          integer,                             -- when the provider was last asked about it
    asks              integer not null default 0,          -- how often the provider was asked since its last receipt
    answered_at       integer,                             -- when the provider last answered
    learned_id        text,                                -- the name in a receipt, if no answer has set provider_id
    doubtful          integer not null default 0 check (doubtful in (0, 1))  -- was unconfirmed, and is not known to be submitted since
) strict;

-- The outbox: the few waiting batches, found without reading the many finished ones.
create index batch_outbox on batch (id) where state = 'queued';
-- Open batches, by state.
create index batch_open on batch (state, id) where state in ('submitting', 'submitted', 'unconfirmed');
-- The submitted batches that are scheduled.
create index batch_scheduled on batch (send_at) where state = 'submitted' and send_at is not null;
create index batch_group on batch (group_uuid, id) where group_uuid is not null;
create index batch_reference on batch (reference, id) where reference is not null;
create index batch_created on batch (created_at);

-- The counters of each batch, changed in the same transaction as its rows. Every commit of receipts changes them, so they
-- are in short rows of their own, apart from texts that hardly ever change. All other counts follow from the state.
create table batch_count (
    batch           integer primary key,                   -- batch.id
    total           integer not null,
    delivered       integer not null default 0,
    failed          integer not null default 0,
    conflict        integer not null default 0,
    receipts        integer not null default 0,            -- all in the log, including those for unexpected destinations
    first_receipt   integer,                               -- receipt.id: all receipts of the batch
    last_receipt    integer,                               -- are between these two
    last_receipt_at integer,
    constraint counters_within_total check (delivered >= 0 and failed >= 0 and delivered + failed <= total)
) strict;

-- One number of one batch. It stores only what receipts said; all other states are those of the batch.
-- Rows are in key order (a batch is inserted sorted) and without a rowid: a new page for about thirty rows, and no second tree.
create table destination (
    batch         integer not null,
    number        integer not null,          -- negative: erased, no longer a phone number
    said          integer not null default 0 check (said between 0 and 2),  -- 0 nothing, 1 failed, 2 delivered
    first_receipt integer,                   -- receipt.id; later ones are found with receipt_again
    primary key (batch, number)
) strict, without rowid;

-- Arriving batches. The destinations of a large batch are written in slices, so that receipts wait for no more than a
-- slice. With the last slice, its row in `batch` is written and the row here is deleted. Leftovers of an interrupted run
-- are deleted.
create table arriving (
    batch integer primary key                -- the batch.id it will have
) strict;

-- The receipt log, append-only, in order of arrival. It has no unique index: nearly every receipt is the first of
-- its destination, which destination.first_receipt shows, and the few others are compared by content with the help
-- of receipt_again. It has no index by batch either: batch_count says where to look.
create table receipt (
    id          integer primary key,         -- always increasing, never reused (instance.pruned_receipt)
    batch       integer not null,
    number      integer not null,
    received_at integer not null,            -- when it reached receiptd; the provider sends no time
    again       integer not null check (again in (0, 1)),      -- 0: the first of its destination
    delivered   integer not null check (delivered in (0, 1)),
    source      integer not null check (source between 0 and 2),  -- 0 webhook, 1 poll, 2 replay
    outcome     integer not null check (outcome between 0 and 3),  -- 0 applied, 1 repeated, 2 conflict, 3 unexpected_destination
    info        integer,                     -- receipt_info.id: code and description
    message_id  any,
    batchuuid   any                          -- as in the receipt; 1 = our own UUID, null = none
) strict;
-- Receipts that are not the first of their destination, and receipts for numbers that are not in the batch.
create index receipt_again on receipt (batch, number) where again = 1;
-- For queries by time. Entries are only ever appended, so it costs almost nothing.
create index receipt_time on receipt (received_at);

-- Codes and descriptions as they arrived, stored once for all receipts with the same content.
create table receipt_info (
    id          integer primary key,
    code        text,
    code_key    text,                        -- the code as a hexadecimal number: 01 and 1 are the same code
    description text
) strict;
create index receipt_info_content on receipt_info (code, description);

-- Raw bodies of receipts that contain more than the columns above can hold (unknown fields, bytes that are not text).
-- They may not be UTF-8.
create table receipt_body (
    receipt integer primary key,
    body    text not null
) strict;

-- Receipt codes and their meanings, as the provider lists them.
create table code (
    code_key    text primary key,
    code        text not null,
    description text not null,
    fetched_at  integer not null
) strict, without rowid;

-- Callbacks with a valid token that could not be understood, kept in full.
create table quarantine (
    id          integer primary key autoincrement,
    batch       text    not null,            -- the UUID in the URL; the batch may be unknown
    received_at integer not null,
    reason      text    not null,
    state       text    not null default 'waiting' check (state in ('waiting', 'replayed', 'dropped')),
    body        blob    not null
) strict;
create index quarantine_done on quarantine (id) where state <> 'waiting';
create index quarantine_batch on quarantine (batch, id);

-- Erased numbers, as a keyed hash (the key is in the identity file), so that later receipts still
-- count without making the number readable again.
create table forgotten (
    number_hash blob    primary key,
    stand_in    integer not null             -- the negative number that replaces it
) strict, without rowid;

-- Pruned batches, so that repeating one is still recognised, and so is the rest of its group.
create table pruned (
    uuid       text    primary key,
    pruned_at  integer not null,
    group_uuid text,
    content    blob    not null default x''  -- a keyed hash of batch.content (the key is in the identity file); empty: erased
) strict, without rowid;
create index pruned_group on pruned (group_uuid) where group_uuid is not null;

-- Totals over all batches by stored state, so that statistics scan nothing. The triggers below maintain them when batches
-- are added, deleted or change their state; the writer adds the effect of receipts, once per commit instead of once per batch.
create table tally (
    state     text    primary key,
    batches   integer not null,
    total     integer not null,
    delivered integer not null,
    failed    integer not null,
    conflict  integer not null,
    receipts  integer not null
) strict, without rowid;

create trigger tally_batch_added after insert on batch_count begin
    insert into tally select state, 1, new.total, new.delivered, new.failed, new.conflict, new.receipts from batch where id = new.batch
    on conflict (state) do update set
        batches = batches + 1, total = total + excluded.total, delivered = delivered + excluded.delivered,
        failed = failed + excluded.failed, conflict = conflict + excluded.conflict, receipts = receipts + excluded.receipts;
end;
create trigger tally_batch_removed before delete on batch begin
    update tally set
        batches = batches - 1, total = tally.total - n.total, delivered = tally.delivered - n.delivered,
        failed = tally.failed - n.failed, conflict = tally.conflict - n.conflict, receipts = tally.receipts - n.receipts
    from batch_count n where n.batch = old.id and state = old.state;
    delete from batch_count where batch = old.id;
end;
create trigger tally_batch_moved after update of state on batch when new.state <> old.state begin
    update tally set
        batches = batches - 1, total = tally.total - n.total, delivered = tally.delivered - n.delivered,
        failed = tally.failed - n.failed, conflict = tally.conflict - n.conflict, receipts = tally.receipts - n.receipts
    from batch_count n where n.batch = new.id and state = old.state;
    insert into tally select new.state, 1, total, delivered, failed, conflict, receipts from batch_count where batch = new.id
    on conflict (state) do update set
        batches = batches + 1, total = total + excluded.total, delivered = delivered + excluded.delivered,
        failed = failed + excluded.failed, conflict = conflict + excluded.conflict, receipts = receipts + excluded.receipts;
end;

-- The size of the quarantine, for its limits.
create table quarantine_tally (
    state text    primary key,
    items integer not null,
    bytes integer not null
) strict, without rowid;
insert into quarantine_tally values ('waiting', 0, 0), ('replayed', 0, 0), ('dropped', 0, 0);
create trigger quarantine_added after insert on quarantine begin
    update quarantine_tally set items = items + 1, bytes = bytes + length(new.body) where state = new.state;
end;
create trigger quarantine_removed after delete on quarantine begin
    update quarantine_tally set items = items - 1, bytes = bytes - length(old.body) where state = old.state;
end;
create trigger quarantine_moved after update of state on quarantine when new.state <> old.state begin
    update quarantine_tally set items = items - 1, bytes = bytes - length(old.body) where state = old.state;
    update quarantine_tally set items = items + 1, bytes = bytes + length(new.body) where state = new.state;
end;

-- Views, for people ---------------------------------------------------------------------------------
-- They use plain SQL, so that DuckDB can read them too: it parses them and passes its own version to SQLite, which fails
-- for `cross join … on` and `count(*)`. Computed values are cast, so that every column has a type. `cross join` makes
-- SQLite start with the batch.

-- One row per batch.
--     select * from batch_summary where batch = '…';
--     select * from batch_summary where created_ms > unixepoch('now', '-1 day') * 1000;
create view batch_summary as
select
    b.uuid as batch,
    cast(coalesce(b.provider_id, b.learned_id) as text) as provider_id,
    b.group_uuid as "group",
    b.resend_of,
    b.reference,
    -- Uses julianday, because `unixepoch('subsec')` is null in sqlite3 before 3.42, for instance in Debian 12.
    cast(case when b.state = 'submitted' and b.send_at > (julianday('now') - 2440587.5) * 86400000 then 'scheduled' else b.state end as text) as state,
    b.sender as "from",
    b.message,
    b.parts,
    b.channel,
    b.fallback_channels,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', b.send_at / 1000.0, 'unixepoch') as text) as send_at,
    b.allow_multi,
    b.dry_run,
    n.total,
    b.merged,
    cast(case when b.state in ('queued', 'submitting', 'unconfirmed') then n.total - n.delivered - n.failed else 0 end as bigint) as queued,
    cast(case when b.state = 'submitted' then n.total - n.delivered - n.failed else 0 end as bigint) as submitted,
    n.delivered,
    n.failed,
    cast(case when b.state = 'complete' then n.total - n.delivered - n.failed else 0 end as bigint) as expired,
    cast(case when b.state = 'cancelled' then n.total - n.delivered - n.failed else 0 end as bigint) as cancelled,
    cast(case when b.state = 'rejected' then n.total - n.delivered - n.failed else 0 end as bigint) as rejected,
    cast(case when b.state = 'validated' then n.total - n.delivered - n.failed else 0 end as bigint) as validated,
    n.conflict,
    n.receipts,
    b.attempts,
    b.last_error,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', b.created_at / 1000.0, 'unixepoch') as text) as created_at,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', b.submitted_at / 1000.0, 'unixepoch') as text) as submitted_at,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', b.completed_at / 1000.0, 'unixepoch') as text) as completed_at,
    b.created_at as created_ms                -- for queries by time: this column has an index
from batch b
join batch_count n on n.batch = b.id;

-- One row per destination: what happened to each number.
--     select * from destination_status where batch = '…' and state = 'failed';
--     select * from destination_status where number = 447700900123;   -- in all batches; fast, unlike `destination = '+…'`
create view destination_status as
select
    b.uuid as batch,
    cast(case when d.number < 0 then 'forgotten' else '+' || d.number end as text) as destination,
    cast(case d.said when 2 then 'delivered' when 1 then 'failed' else
        case b.state when 'submitting' then 'queued' when 'unconfirmed' then 'queued' when 'complete' then 'expired' else b.state end
    end as text) as state,
    i.code,
    cast(coalesce(i.description, c.description) as text) as description,
    cast(case typeof(r.message_id) when 'blob' then
        lower(substr(hex(r.message_id), 1, 8) || '-' || substr(hex(r.message_id), 9, 4) || '-' || substr(hex(r.message_id), 13, 4)
            || '-' || substr(hex(r.message_id), 17, 4) || '-' || substr(hex(r.message_id), 21))
        else r.message_id end as text) as message_id,
    cast((d.first_receipt is not null)
        + (select count(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number) as bigint) as receipts,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', f.received_at / 1000.0, 'unixepoch') as text) as first_receipt_at,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(
        (select max(a.received_at) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number),
        f.received_at) / 1000.0, 'unixepoch') as text) as last_receipt_at,
    cast(exists (select 1 from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.outcome = 2) as bigint) as conflict,
    d.number                                  -- for queries by number
from batch b
cross join destination d
left join receipt f on f.id = d.first_receipt
-- The deciding receipt is the last one that agrees with the state.
left join receipt r on r.id = coalesce(
    (select max(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.delivered = (d.said = 2)),
    d.first_receipt)
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key
where d.batch = b.id;

-- One row per receipt, in order of arrival.
--     select * from receipt_log order by id desc limit 20;
--     select * from receipt_log where batch = '…';
--     select * from receipt_log where received_ms > unixepoch('now', '-1 hour') * 1000;
-- To find all batches of one number quickly, use destination_status.
create view receipt_log as
select
    r.id,
    b.uuid as batch,
    cast(case when r.number < 0 then 'forgotten' else '+' || r.number end as text) as destination,
    r.delivered,
    i.code,
    cast(coalesce(i.description, c.description) as text) as description,
    cast(case typeof(r.message_id) when 'blob' then
        lower(substr(hex(r.message_id), 1, 8) || '-' || substr(hex(r.message_id), 9, 4) || '-' || substr(hex(r.message_id), 13, 4)
            || '-' || substr(hex(r.message_id), 17, 4) || '-' || substr(hex(r.message_id), 21))
        else r.message_id end as text) as message_id,
    cast(case r.source when 0 then 'webhook' when 1 then 'poll' else 'replay' end as text) as source,
    cast(case r.outcome when 0 then 'applied' when 1 then 'repeated' when 2 then 'conflict' else 'unexpected_destination' end as text) as outcome,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', r.received_at / 1000.0, 'unixepoch') as text) as received_at,
    r.number,
    r.received_at as received_ms              -- for queries by time
from receipt r
join batch b on b.id = r.batch
join batch_count n on n.batch = b.id and r.id between n.first_receipt and n.last_receipt
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key;

-- Why destinations failed, by batch and code.
--     select * from failures_by_code where batch = '…' order by destinations desc;
create view failures_by_code as
select
    b.uuid as batch,
    cast(min(i.code) as text) as code,
    cast(min(coalesce(i.description, c.description)) as text) as description,
    cast(count(d.number) as bigint) as destinations
from batch b
cross join destination d
join receipt r on r.id = coalesce(
    (select max(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.delivered = 0),
    d.first_receipt)
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key
where d.batch = b.id and d.said = 1
group by b.uuid, i.code_key;

-- Callbacks that could not be understood.
--     select * from quarantine_log where state = 'waiting';
create view quarantine_log as
select
    q.id,
    q.batch,
    cast(strftime('%Y-%m-%dT%H:%M:%fZ', q.received_at / 1000.0, 'unixepoch') as text) as received_at,
    q.reason,
    q.state,
    cast(length(q.body) as bigint) as bytes,
    cast(q.body as text) as body,
    q.received_at as received_ms              -- for queries by time
from quarantine q;
