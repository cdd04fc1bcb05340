-- migrate:up
-- Lifts hashes to a new index key; sees nothing that is stored beside them.
grant update (phone_index, user_index) on subscriptions.subscriber to kreisfunk_rotation;
grant select (senders), update (senders) on subscriptions.inbox to kreisfunk_rotation;
grant select (senders) on subscriptions.dead_letter to kreisfunk_rotation;
grant select (address_index), update (address_index), delete on subscriptions.conversation, subscriptions.erasure
  to kreisfunk_rotation;

-- migrate:down
revoke update (phone_index, user_index) on subscriptions.subscriber from kreisfunk_rotation;
revoke select (senders), update (senders) on subscriptions.inbox from kreisfunk_rotation;
revoke all on subscriptions.dead_letter, subscriptions.conversation, subscriptions.erasure from kreisfunk_rotation;
