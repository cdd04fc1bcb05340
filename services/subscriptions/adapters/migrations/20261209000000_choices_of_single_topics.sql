-- migrate:up
-- Messages may overtake each other: with one time for all choices, a newer one about another topic or about places
-- left an older one without effect.
-- A start decides about all topics, too. Before the changes of the table, which lock it.
update subscriptions.subscriber set chosen_at = started_at, chosen_received_at = started_received_at
where chosen_at < started_at;
alter table subscriptions.subscriber add column topic_times jsonb not null default '{}';
alter table subscriptions.subscriber add column placed_at timestamptz;
alter table subscriptions.subscriber add column placed_received_at timestamptz;
comment on column subscriptions.subscriber.topic_times is
  'newest change of single topics by Meta''s and by our clock; a choice of all topics removes those before it';
comment on column subscriptions.subscriber.placed_at is
  'newest choice of places, by Meta''s clock; null if none';
comment on column subscriptions.subscriber.placed_received_at is
  'newest choice of places by our clock; null with placed_at';
comment on column subscriptions.subscriber.chosen_at is 'newest choice of all topics, by Meta''s clock; null if none';

-- migrate:down
comment on column subscriptions.subscriber.chosen_at is
  'newest choice of topics or places, by Meta''s clock; null if none';
alter table subscriptions.subscriber drop column placed_received_at;
alter table subscriptions.subscriber drop column placed_at;
alter table subscriptions.subscriber drop column topic_times;
