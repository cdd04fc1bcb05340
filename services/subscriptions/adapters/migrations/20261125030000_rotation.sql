-- migrate:up
do $$
begin
  create role kreisfunk_rotation nologin;
exception when duplicate_object or unique_violation then null;
end $$;

-- Seals addresses anew: sees no topic and no state, and can change nothing but what has addresses in it.
grant usage on schema subscriptions to kreisfunk_rotation;
grant select (id, phone_index, phone_sealed, user_index, user_sealed), update (phone_sealed, user_sealed)
  on subscriptions.subscriber to kreisfunk_rotation;
grant select (message_key, publications), update (publications) on subscriptions.inbox to kreisfunk_rotation;
grant select (broadcast_id, page, body), update (body) on subscriptions.pending_page to kreisfunk_rotation;

-- migrate:down
revoke all on subscriptions.subscriber, subscriptions.inbox, subscriptions.pending_page from kreisfunk_rotation;
