-- migrate:up
do $$
begin
    create role kreisfunk_rotation nologin;
exception when duplicate_object or unique_violation then null;
end $$;

grant usage on schema dispatcher to kreisfunk_rotation;
grant select (id, address_kind, address_index, address_sealed), update (address_sealed)
    on dispatcher.delivery to kreisfunk_rotation;
grant select (id, user_index, user_sealed), update (user_sealed) on dispatcher.erasure to kreisfunk_rotation;

-- migrate:down
revoke all on dispatcher.delivery, dispatcher.erasure from kreisfunk_rotation;
