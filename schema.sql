-- receiptd: the whole database.
--
-- Read it with nothing but sqlite3, any time, also while the daemon runs:
--
--     sqlite3 -readonly receiptd.db "select * from batch_summary"
--
-- Use -readonly: the daemon is the only one that writes here. What people read are the five VIEWS
-- at the end (batch_summary, destination_status, receipt_log, failures_by_code, quarantine_log):
-- ISO times, numbers with a plus, uuids as text, and the words of the REST API. The tables below
-- them are made for size and speed, and may change with user_version.
--
-- (Checks of what changes with every receipt are ranges: SQLite builds a table for `in (…)` each time.)
-- In the tables: times are milliseconds since 1970 UTC; telephone numbers are the digits of E.164
-- as one integer (447700900123); an identifier made by the provider is 16 bytes where it is a uuid
-- and the text as it came where it is not; yes and no are 1 and 0.

-- What this file is, in one row.
create table instance (
    id          integer primary key constraint one_row check (id = 1),
    database_id text    not null,            -- made with the file; the identity file beside it names it too
    created_at  integer not null,
    -- Raised in the transaction that marks a batch as submitting. <database>.identity follows before
    -- the first byte leaves, so a file whose counter lags behind it is an older copy of itself.
    submissions integer not null default 0,
    -- The newest receipt that was ever pruned: ids are never used again, whatever is deleted.
    pruned_receipt integer not null default 0,
    is_copy     integer not null default 0 check (is_copy in (0, 1)),  -- set in what `backup` writes
    paused      integer not null default 0 check (paused in (0, 1))    -- nothing is handed to the provider
) strict;

-- One text to a list of destinations: what was asked for, and how far it has come.
create table batch (
    id                integer primary key autoincrement,   -- in the order in which they began to arrive; pages of lists go by it
    uuid              text    not null constraint batch_uuid unique,
    provider_id       text,                                -- null until an answer of the provider has named one
    group_uuid        text,
    resend_of         text,
    reference         text,
    -- queued → submitting → submitted → complete; aside: rejected, unconfirmed, cancelled, validated.
    -- `scheduled` is not stored: it is `submitted` with a send_at that is still ahead.
    -- In a complete batch, a destination without a receipt has expired.
    state             text    not null check (state in ('queued', 'submitting', 'submitted', 'complete',
                          'rejected', 'unconfirmed', 'cancelled', 'validated')),
    sender            text    not null,                    -- `from`, which SQL keeps for itself
    message           text,                                -- null once [retention] messages has erased it
    parts             integer not null,
    channel           text    check (channel in ('sms', 'rcs')),
    fallback_channels text    not null default '[]',       -- JSON
    send_at           integer,
    allow_multi       integer not null check (allow_multi in (0, 1)),
    dry_run           integer not null check (dry_run in (0, 1)),
    content           blob    not null,                    -- SHA-256 of all that was asked for: is it the same batch again?
    merged            integer not null,                    -- the same number again, dropped on the way in
    attempts          integer not null default 0,
    last_error        text,                                -- JSON {at, kind, status, detail}
    created_at        integer not null,
    submitted_at      integer,
    completed_at      integer,                             -- when the last destination became final
    asked_at          integer,                             -- when the provider was asked about it last,
    asks              integer not null default 0,          -- how often since its last receipt,
    answered_at       integer,                             -- and when it answered
    learned_id        text,                                -- what a receipt called it, while no answer had set provider_id
    doubtful          integer not null default 0 check (doubtful in (0, 1))  -- unconfirmed once, and not known to be submitted since
) strict;

-- The outbox: the few batches that wait for their turn, found without looking at the many that are done.
create index batch_outbox on batch (id) where state = 'queued';
-- Batches that somebody still has to look after, by state.
create index batch_open on batch (state, id) where state in ('submitting', 'submitted', 'unconfirmed');
-- Which of the submitted ones are scheduled.
create index batch_scheduled on batch (send_at) where state = 'submitted' and send_at is not null;
create index batch_group on batch (group_uuid, id) where group_uuid is not null;
create index batch_reference on batch (reference, id) where reference is not null;
create index batch_created on batch (created_at);

-- How far each batch has come, in step with its rows in the same transaction. Every commit of receipts changes these,
-- so they stand together in short rows, apart from texts that hardly ever change. All other counts follow from the state.
create table batch_count (
    batch           integer primary key,                   -- batch.id
    total           integer not null,
    delivered       integer not null default 0,
    failed          integer not null default 0,
    conflict        integer not null default 0,
    receipts        integer not null default 0,            -- all in the log, those for unexpected destinations too
    first_receipt   integer,                               -- receipt.id: between these two
    last_receipt    integer,                               -- are all that the batch has
    last_receipt_at integer,
    constraint counters_within_total check (delivered >= 0 and failed >= 0 and delivered + failed <= total)
) strict;

-- One number of one batch. It stores only what receipts said; all other states are its batch's.
-- In key order (a batch is inserted sorted), without a rowid: one page in thirty rows' time, no second tree.
create table destination (
    batch         integer not null,
    number        integer not null,          -- below zero: forgotten, no longer a telephone number
    said          integer not null default 0 check (said between 0 and 2),  -- 0 nothing, 1 failed, 2 delivered
    first_receipt integer,                   -- receipt.id; later ones are found through receipt_again
    primary key (batch, number)
) strict, without rowid;

-- Batches on their way in. The destinations of a large one are written in slices, so that receipts wait for no more than
-- a slice; its row in `batch` comes with the last, and the row here goes. What an interrupted run left is deleted.
create table arriving (
    batch integer primary key                -- the batch.id it will have
) strict;

-- The log of receipts, append-only, in order of arrival. There is no unique index on it: nearly every
-- receipt is the first of its destination, which destination.first_receipt shows, and the few others
-- are compared by content through receipt_again. Nor is there one by batch: batch_count knows where to look.
create table receipt (
    id          integer primary key,         -- strictly rising, never reused (instance.pruned_receipt)
    batch       integer not null,
    number      integer not null,
    received_at integer not null,            -- when it reached us; the provider tells no time
    again       integer not null check (again in (0, 1)),      -- 0: the first of its destination
    delivered   integer not null check (delivered in (0, 1)),
    source      integer not null check (source between 0 and 2),  -- 0 webhook, 1 poll, 2 replay
    outcome     integer not null check (outcome between 0 and 3),  -- 0 applied, 1 repeated, 2 conflict, 3 unexpected_destination
    info        integer,                     -- receipt_info.id: code and description
    message_id  any,
    batchuuid   any                          -- as the receipt had it; 1 = our own uuid, null = none
) strict;
-- Receipts that are not the first of their destination, and those for numbers the batch does not have.
create index receipt_again on receipt (batch, number) where again = 1;
-- For people who ask by time; entries are only ever appended, so it costs next to nothing.
create index receipt_time on receipt (received_at);

-- Code and description as they came, once for the many receipts that say the same.
create table receipt_info (
    id          integer primary key,
    code        text,
    code_key    text,                        -- as a hexadecimal number: 01 and 1 are the same code
    description text
) strict;
create index receipt_info_content on receipt_info (code, description);

-- Bodies of receipts that say more than the columns above can hold (fields nobody knows yet, bytes that are no text), as
-- they came: not each of them is UTF-8.
create table receipt_body (
    receipt integer primary key,
    body    text not null
) strict;

-- Receipt codes with their meaning, as the provider lists them.
create table code (
    code_key    text primary key,
    code        text not null,
    description text not null,
    fetched_at  integer not null
) strict, without rowid;

-- Callbacks that were authentic but not understood, kept whole.
create table quarantine (
    id          integer primary key autoincrement,
    batch       text    not null,            -- the uuid in the URL; the batch may be unknown
    received_at integer not null,
    reason      text    not null,
    state       text    not null default 'waiting' check (state in ('waiting', 'replayed', 'dropped')),
    body        blob    not null
) strict;
create index quarantine_done on quarantine (id) where state <> 'waiting';
create index quarantine_batch on quarantine (batch, id);

-- Numbers that had to be forgotten: a keyed hash (its key is in the identity file), so that a receipt
-- that comes later still counts without making the number readable again.
create table forgotten (
    number_hash blob    primary key,
    stand_in    integer not null             -- the number below zero that stands in its place
) strict, without rowid;

-- Batches that were pruned: asking for one again is still recognised, and so is the rest of its group.
create table pruned (
    uuid       text    primary key,
    pruned_at  integer not null,
    group_uuid text,
    content    blob    not null default x''  -- a hash of batch.content, keyed (its key is in the identity file); empty: erased
) strict, without rowid;
create index pruned_group on pruned (group_uuid) where group_uuid is not null;

-- Totals over all batches by stored state: statistics scan nothing. The triggers below keep them when batches come, go
-- and change their state; what receipts add is added by the writer, once a commit and not once a batch.
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

-- How much the quarantine holds, for its bounds.
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

-- Views: the surface for people --------------------------------------------------------------------
-- In plain SQL, so that DuckDB can read them too: it parses them and gives SQLite what it has made of them, which knows no
-- `cross join … on` and no `count(*)`. What is computed is cast, so that every column has a type. `cross join` makes SQLite
-- begin with the batch.

-- One row a batch.
--     select * from batch_summary where batch = '…';
--     select * from batch_summary where created_ms > unixepoch('now', '-1 day') * 1000;
create view batch_summary as
select
    b.uuid as batch,
    cast(coalesce(b.provider_id, b.learned_id) as text) as provider_id,
    b.group_uuid as "group",
    b.resend_of,
    b.reference,
    -- julianday, since `unixepoch('subsec')` is null in sqlite3 before 3.42, Debian 12's for instance.
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
    b.created_at as created_ms                -- for questions by time: this one has an index
from batch b
join batch_count n on n.batch = b.id;

-- One row a destination: what became of each number.
--     select * from destination_status where batch = '…' and state = 'failed';
--     select * from destination_status where number = 447700900123;   -- all batches; quick, `destination = '+…'` is not
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
    d.number                                  -- for questions by number
from batch b
cross join destination d
left join receipt f on f.id = d.first_receipt
-- The deciding receipt is the last one that says what the state says.
left join receipt r on r.id = coalesce(
    (select max(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.delivered = (d.said = 2)),
    d.first_receipt)
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key
where d.batch = b.id;

-- One row a receipt, in the order in which they came.
--     select * from receipt_log order by id desc limit 20;
--     select * from receipt_log where batch = '…';
--     select * from receipt_log where received_ms > unixepoch('now', '-1 hour') * 1000;
-- All batches of one number are found quickest in destination_status.
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
    r.received_at as received_ms              -- for questions by time
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

-- Callbacks that were not understood.
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
    q.received_at as received_ms              -- for questions by time
from quarantine q;
