-- A database as receiptd 0.1.0 left it, dumped. Batch 1 has receipts, 2 is unconfirmed, 3 was unconfirmed and is to be
-- submitted again, 4 was never submitted, 5 is scheduled under a name of the provider's, 6 under one that a receipt brought.
pragma user_version = 1;
pragma application_id = 1919119476;
BEGIN TRANSACTION;
CREATE TABLE arriving (
    batch integer primary key                -- the batch.id it will have
) strict;
CREATE TABLE batch (
    id                integer primary key autoincrement,   -- in the order in which they began to arrive; pages of lists go by it
    uuid              text    not null constraint batch_uuid unique,
    provider_id       text,                                -- null until the provider has named one
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
    answered_at       integer                              -- and when it answered
) strict;
INSERT INTO "batch" VALUES(1,'00000000-0000-4000-8000-000000000001','00000000-0000-4000-8000-000000000001',NULL,NULL,NULL,'submitted','mplus','hello',1,NULL,'[]',NULL,0,0,X'03327A8E3EF373820C2134258F91FA1DAFF9E97429FDC8DA7197193907A212D5',0,1,NULL,1795631770873,1795631770909,NULL,NULL,0,NULL);
INSERT INTO "batch" VALUES(2,'00000000-0000-4000-8000-000000000002',NULL,NULL,NULL,NULL,'unconfirmed','mplus','close',1,NULL,'[]',NULL,0,0,X'AAD9AC0365AC39927A68E5D8C88F6203D06E5DCE226EECD81985E86394A03ED8',0,1,'{"at":"2026-11-25T18:36:10.918Z","kind":"no_answer","status":null,"detail":"the connection was closed without an answer"}',1795631770912,NULL,NULL,NULL,0,NULL);
INSERT INTO "batch" VALUES(3,'00000000-0000-4000-8000-000000000003',NULL,NULL,NULL,NULL,'queued','mplus','close again',1,NULL,'[]',NULL,0,0,X'9F9DEB8A4CF7A1A5C833B75C027867F8A461A869D340943061533286E532BE91',0,1,'{"at":"2026-11-25T18:36:11.637Z","kind":"no_answer","status":null,"detail":"the connection was closed without an answer"}',1795631771022,NULL,NULL,NULL,0,NULL);
INSERT INTO "batch" VALUES(4,'00000000-0000-4000-8000-000000000005','theirs-5',NULL,NULL,NULL,'submitted','mplus','renamed',1,NULL,'[]',4922931600000,0,0,X'265CA3AFAF2EEBF0E24E1B2C223A92A9A33DFA821F4183F5FCCC3057FE974225',0,1,'{"at":"2026-11-25T18:36:12.764Z","kind":"not_scheduled","status":null,"detail":"the provider does not list it among its scheduled batches: it was cancelled there, or sent already"}',1795631771641,1795631772361,NULL,NULL,0,NULL);
INSERT INTO "batch" VALUES(5,'00000000-0000-4000-8000-000000000006','learned-6',NULL,NULL,NULL,'submitted','mplus','close later',1,NULL,'[]',4922931600000,0,0,X'94D152A9A0DAF7280DFB9559CFC55AA012DEF9F789D22BEC8B75DDDFE336801B',0,1,'{"at":"2026-11-25T18:36:12.486Z","kind":"no_answer","status":null,"detail":"the connection was closed without an answer"}',1795631772472,1795631787535,NULL,NULL,0,NULL);
INSERT INTO "batch" VALUES(6,'00000000-0000-4000-8000-000000000004',NULL,NULL,NULL,NULL,'queued','mplus','waits',1,NULL,'[]',NULL,0,0,X'9AB76CF1F55ADDDEEC0CEC299CEC1261DDFE22F020620B03EF490A5A24CF514D',0,0,NULL,1795631772577,NULL,NULL,NULL,0,NULL);
CREATE TABLE batch_count (
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
INSERT INTO "batch_count" VALUES(1,2,1,0,1,2,1,2,1795631787534);
INSERT INTO "batch_count" VALUES(2,1,0,0,0,0,NULL,NULL,NULL);
INSERT INTO "batch_count" VALUES(3,1,0,0,0,0,NULL,NULL,NULL);
INSERT INTO "batch_count" VALUES(4,1,0,0,0,0,NULL,NULL,NULL);
INSERT INTO "batch_count" VALUES(5,1,0,0,0,1,3,3,1795631787535);
INSERT INTO "batch_count" VALUES(6,1,0,0,0,0,NULL,NULL,NULL);
CREATE TABLE code (
    code_key    text primary key,
    code        text not null,
    description text not null,
    fetched_at  integer not null
) strict, without rowid;
CREATE TABLE destination (
    batch         integer not null,
    number        integer not null,          -- below zero: forgotten, no longer a telephone number
    said          integer not null default 0 check (said between 0 and 2),  -- 0 nothing, 1 failed, 2 delivered
    first_receipt integer,                   -- receipt.id; later ones are found through receipt_again
    primary key (batch, number)
) strict, without rowid;
INSERT INTO "destination" VALUES(1,447700900001,2,1);
INSERT INTO "destination" VALUES(1,447700900002,0,NULL);
INSERT INTO "destination" VALUES(2,447700900003,0,NULL);
INSERT INTO "destination" VALUES(3,447700900004,0,NULL);
INSERT INTO "destination" VALUES(4,447700900005,0,NULL);
INSERT INTO "destination" VALUES(5,447700900006,0,NULL);
INSERT INTO "destination" VALUES(6,447700900007,0,NULL);
CREATE TABLE forgotten (
    number_hash blob    primary key,
    stand_in    integer not null             -- the number below zero that stands in its place
) strict, without rowid;
CREATE TABLE instance (
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
INSERT INTO "instance" VALUES(1,'4a81ef3f-c01b-4fe4-b99f-2954e56c3ffc',1795631768713,5,0,0,1);
CREATE TABLE pruned (
    uuid       text    primary key,
    pruned_at  integer not null,
    group_uuid text,
    content    blob    not null default x''  -- a hash of batch.content, keyed (its key is in the identity file); empty: erased
) strict, without rowid;
CREATE TABLE quarantine (
    id          integer primary key autoincrement,
    batch       text    not null,            -- the uuid in the URL; the batch may be unknown
    received_at integer not null,
    reason      text    not null,
    state       text    not null default 'waiting' check (state in ('waiting', 'replayed', 'dropped')),
    body        blob    not null
) strict;
CREATE TABLE quarantine_tally (
    state text    primary key,
    items integer not null,
    bytes integer not null
) strict, without rowid;
INSERT INTO "quarantine_tally" VALUES('dropped',0,0);
INSERT INTO "quarantine_tally" VALUES('replayed',0,0);
INSERT INTO "quarantine_tally" VALUES('waiting',0,0);
CREATE TABLE receipt (
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
INSERT INTO "receipt" VALUES(1,1,447700900001,1795631787531,0,1,0,0,1,X'6A96A54D596F403ABCD66A07FD985F93',1);
INSERT INTO "receipt" VALUES(2,1,447700900001,1795631787534,1,0,0,2,2,'m-2',1);
INSERT INTO "receipt" VALUES(3,5,447700900099,1795631787535,1,1,0,3,NULL,NULL,'learned-6');
CREATE TABLE receipt_body (
    receipt integer primary key,
    body    text not null
) strict;
CREATE TABLE receipt_info (
    id          integer primary key,
    code        text,
    code_key    text,                        -- as a hexadecimal number: 01 and 1 are the same code
    description text
) strict;
INSERT INTO "receipt_info" VALUES(1,'00','0','Successful');
INSERT INTO "receipt_info" VALUES(2,'22','22','No response from the SME');
CREATE TABLE tally (
    state     text    primary key,
    batches   integer not null,
    total     integer not null,
    delivered integer not null,
    failed    integer not null,
    conflict  integer not null,
    receipts  integer not null
) strict, without rowid;
INSERT INTO "tally" VALUES('queued',2,2,0,0,0,0);
INSERT INTO "tally" VALUES('submitted',3,4,1,0,1,3);
INSERT INTO "tally" VALUES('submitting',0,0,0,0,0,0);
INSERT INTO "tally" VALUES('unconfirmed',1,1,0,0,0,0);
CREATE INDEX batch_outbox on batch (id) where state = 'queued';
CREATE INDEX batch_open on batch (state, id) where state in ('submitting', 'submitted', 'unconfirmed');
CREATE INDEX batch_scheduled on batch (send_at) where state = 'submitted' and send_at is not null;
CREATE INDEX batch_group on batch (group_uuid, id) where group_uuid is not null;
CREATE INDEX batch_reference on batch (reference, id) where reference is not null;
CREATE INDEX batch_created on batch (created_at);
CREATE INDEX receipt_again on receipt (batch, number) where again = 1;
CREATE INDEX receipt_time on receipt (received_at);
CREATE INDEX receipt_info_content on receipt_info (code, description);
CREATE INDEX quarantine_done on quarantine (id) where state <> 'waiting';
CREATE INDEX quarantine_batch on quarantine (batch, id);
CREATE INDEX pruned_group on pruned (group_uuid) where group_uuid is not null;
CREATE TRIGGER tally_batch_added after insert on batch_count begin
    insert into tally select state, 1, new.total, new.delivered, new.failed, new.conflict, new.receipts from batch where id = new.batch
    on conflict (state) do update set
        batches = batches + 1, total = total + excluded.total, delivered = delivered + excluded.delivered,
        failed = failed + excluded.failed, conflict = conflict + excluded.conflict, receipts = receipts + excluded.receipts;
end;
CREATE TRIGGER tally_batch_removed before delete on batch begin
    update tally set
        batches = batches - 1, total = tally.total - n.total, delivered = tally.delivered - n.delivered,
        failed = tally.failed - n.failed, conflict = tally.conflict - n.conflict, receipts = tally.receipts - n.receipts
    from batch_count n where n.batch = old.id and state = old.state;
    delete from batch_count where batch = old.id;
end;
CREATE TRIGGER tally_batch_moved after update of state on batch when new.state <> old.state begin
    update tally set
        batches = batches - 1, total = tally.total - n.total, delivered = tally.delivered - n.delivered,
        failed = tally.failed - n.failed, conflict = tally.conflict - n.conflict, receipts = tally.receipts - n.receipts
    from batch_count n where n.batch = new.id and state = old.state;
    insert into tally select new.state, 1, total, delivered, failed, conflict, receipts from batch_count where batch = new.id
    on conflict (state) do update set
        batches = batches + 1, total = total + excluded.total, delivered = delivered + excluded.delivered,
        failed = failed + excluded.failed, conflict = conflict + excluded.conflict, receipts = receipts + excluded.receipts;
end;
CREATE TRIGGER quarantine_added after insert on quarantine begin
    update quarantine_tally set items = items + 1, bytes = bytes + length(new.body) where state = new.state;
end;
CREATE TRIGGER quarantine_removed after delete on quarantine begin
    update quarantine_tally set items = items - 1, bytes = bytes - length(old.body) where state = old.state;
end;
CREATE TRIGGER quarantine_moved after update of state on quarantine when new.state <> old.state begin
    update quarantine_tally set items = items - 1, bytes = bytes - length(old.body) where state = old.state;
    update quarantine_tally set items = items + 1, bytes = bytes + length(new.body) where state = new.state;
end;
CREATE VIEW batch_summary as
select
    b.uuid as batch,
    b.provider_id,
    b.group_uuid as "group",
    b.resend_of,
    b.reference,
    -- julianday, since `unixepoch('subsec')` is null in sqlite3 before 3.42, Debian 12's for instance.
    case when b.state = 'submitted' and b.send_at > (julianday('now') - 2440587.5) * 86400000 then 'scheduled' else b.state end as state,
    b.sender as "from",
    b.message,
    b.parts,
    b.channel,
    b.fallback_channels,
    strftime('%Y-%m-%dT%H:%M:%fZ', b.send_at / 1000.0, 'unixepoch') as send_at,
    b.allow_multi,
    b.dry_run,
    n.total,
    b.merged,
    case when b.state in ('queued', 'submitting', 'unconfirmed') then n.total - n.delivered - n.failed else 0 end as queued,
    case when b.state = 'submitted' then n.total - n.delivered - n.failed else 0 end as submitted,
    n.delivered,
    n.failed,
    case when b.state = 'complete' then n.total - n.delivered - n.failed else 0 end as expired,
    case when b.state = 'cancelled' then n.total - n.delivered - n.failed else 0 end as cancelled,
    case when b.state = 'rejected' then n.total - n.delivered - n.failed else 0 end as rejected,
    case when b.state = 'validated' then n.total - n.delivered - n.failed else 0 end as validated,
    n.conflict,
    n.receipts,
    b.attempts,
    b.last_error,
    strftime('%Y-%m-%dT%H:%M:%fZ', b.created_at / 1000.0, 'unixepoch') as created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', b.submitted_at / 1000.0, 'unixepoch') as submitted_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', b.completed_at / 1000.0, 'unixepoch') as completed_at,
    b.created_at as created_ms                -- for questions by time: this one has an index
from batch b
join batch_count n on n.batch = b.id;
CREATE VIEW destination_status as
select
    b.uuid as batch,
    case when d.number < 0 then 'forgotten' else '+' || d.number end as destination,
    case d.said when 2 then 'delivered' when 1 then 'failed' else
        case b.state when 'submitting' then 'queued' when 'unconfirmed' then 'queued' when 'complete' then 'expired' else b.state end
    end as state,
    i.code,
    coalesce(i.description, c.description) as description,
    case typeof(r.message_id) when 'blob' then
        lower(substr(hex(r.message_id), 1, 8) || '-' || substr(hex(r.message_id), 9, 4) || '-' || substr(hex(r.message_id), 13, 4)
            || '-' || substr(hex(r.message_id), 17, 4) || '-' || substr(hex(r.message_id), 21))
        else r.message_id end as message_id,
    (d.first_receipt is not null) + (select count(*) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number) as receipts,
    strftime('%Y-%m-%dT%H:%M:%fZ', f.received_at / 1000.0, 'unixepoch') as first_receipt_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(
        (select max(a.received_at) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number),
        f.received_at) / 1000.0, 'unixepoch') as last_receipt_at,
    exists (select 1 from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.outcome = 2) as conflict,
    d.number                                  -- for questions by number
from batch b
cross join destination d on d.batch = b.id
left join receipt f on f.id = d.first_receipt
-- The deciding receipt is the last one that says what the state says.
left join receipt r on r.id = coalesce(
    (select max(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.delivered = (d.said = 2)),
    d.first_receipt)
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key;
CREATE VIEW receipt_log as
select
    r.id,
    b.uuid as batch,
    case when r.number < 0 then 'forgotten' else '+' || r.number end as destination,
    r.delivered,
    i.code,
    coalesce(i.description, c.description) as description,
    case typeof(r.message_id) when 'blob' then
        lower(substr(hex(r.message_id), 1, 8) || '-' || substr(hex(r.message_id), 9, 4) || '-' || substr(hex(r.message_id), 13, 4)
            || '-' || substr(hex(r.message_id), 17, 4) || '-' || substr(hex(r.message_id), 21))
        else r.message_id end as message_id,
    case r.source when 0 then 'webhook' when 1 then 'poll' else 'replay' end as source,
    case r.outcome when 0 then 'applied' when 1 then 'repeated' when 2 then 'conflict' else 'unexpected_destination' end as outcome,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.received_at / 1000.0, 'unixepoch') as received_at,
    r.number,
    r.received_at as received_ms              -- for questions by time
from receipt r
join batch b on b.id = r.batch
join batch_count n on n.batch = b.id and r.id between n.first_receipt and n.last_receipt
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key;
CREATE VIEW failures_by_code as
select
    b.uuid as batch,
    min(i.code) as code,
    min(coalesce(i.description, c.description)) as description,
    count(*) as destinations
from batch b
cross join destination d on d.batch = b.id and d.said = 1
join receipt r on r.id = coalesce(
    (select max(a.id) from receipt a where a.again = 1 and a.batch = d.batch and a.number = d.number and a.delivered = 0),
    d.first_receipt)
left join receipt_info i on i.id = r.info
left join code c on c.code_key = i.code_key
group by b.uuid, i.code_key;
CREATE VIEW quarantine_log as
select
    q.id,
    q.batch,
    strftime('%Y-%m-%dT%H:%M:%fZ', q.received_at / 1000.0, 'unixepoch') as received_at,
    q.reason,
    q.state,
    length(q.body) as bytes,
    cast(q.body as text) as body,
    q.received_at as received_ms              -- for questions by time
from quarantine q;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('batch',6);
COMMIT;
