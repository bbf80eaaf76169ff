-- Version 2: a batch that was once unconfirmed stays doubtful until it is known to be submitted, and a name from a receipt is
-- stored separately from the name in the provider's answer.

alter table batch add column learned_id text;
alter table batch add column doubtful integer not null default 0 check (doubtful in (0, 1));

-- Includes batches that a person queued again, if the last error does not prove that the provider did not accept them.
update batch set doubtful = 1
where state = 'unconfirmed'
    or (state = 'queued' and last_error is not null and case
        when not json_valid(last_error) then 1
        when json_extract(last_error, '$.kind') = 'busy' then json_extract(last_error, '$.status') is not 429
        else coalesce(json_extract(last_error, '$.kind'), '') not in
            ('dns', 'connect', 'connect_timeout', 'tls', 'unwritable', 'unauthorized', 'refused', 'storage', 'identity')
    end);

-- If a submission did not end with a clear answer at once, the name may be from a receipt.
update batch set learned_id = provider_id, provider_id = null
where provider_id is not null and lower(provider_id) <> uuid and state <> 'complete'
    and (last_error is not null or submitted_at is null or attempts = 0);
