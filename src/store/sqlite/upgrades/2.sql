-- Version 2: what was unconfirmed once stays doubtful until it is known to be submitted, and the name that a receipt brought
-- stands apart from the one in the provider's answer.

alter table batch add column learned_id text;
alter table batch add column doubtful integer not null default 0 check (doubtful in (0, 1));

-- Queued again by a person: what went wrong last does not prove that the provider did not take it.
update batch set doubtful = 1
where state = 'unconfirmed'
    or (state = 'queued' and last_error is not null and case
        when not json_valid(last_error) then 1
        when json_extract(last_error, '$.kind') = 'busy' then json_extract(last_error, '$.status') is not 429
        else coalesce(json_extract(last_error, '$.kind'), '') not in
            ('dns', 'connect', 'connect_timeout', 'tls', 'unwritable', 'unauthorized', 'refused', 'storage', 'identity')
    end);

-- Where a submission did not end with a clear answer at once, a receipt may have brought the name.
update batch set learned_id = provider_id, provider_id = null
where provider_id is not null and lower(provider_id) <> uuid and state <> 'complete'
    and (last_error is not null or submitted_at is null or attempts = 0);
