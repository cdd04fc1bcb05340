-- migrate:up
do $$
begin
  create role kreisfunk_rotation nologin;
exception when duplicate_object or unique_violation then null;
end $$;

-- Seals addresses anew: sees no topic and no state, and can change nothing else.
grant usage on schema subscriptions to kreisfunk_rotation;
grant select (id, phone_index, phone_sealed, user_index, user_sealed), update (phone_sealed, user_sealed)
  on subscriptions.subscriber to kreisfunk_rotation;

-- migrate:down
revoke all on subscriptions.subscriber from kreisfunk_rotation;
