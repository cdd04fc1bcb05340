-- migrate:up
set local lock_timeout = '5s';

create table newsroom.subscription_hour (
  hour timestamptz not null,
  topic text not null,
  started integer not null default 0,
  ended integer not null default 0,
  primary key (hour, topic)
);
comment on table newsroom.subscription_hour is 'starts and ends of subscriptions, counted by hour and topic';
comment on column newsroom.subscription_hour.hour is 'beginning of the hour';
comment on column newsroom.subscription_hour.topic is
  'topic; empty for people who begin or leave altogether, whatever their topics';
comment on column newsroom.subscription_hour.started is 'number of starts';
comment on column newsroom.subscription_hour.ended is 'number of ends';

insert into newsroom.subscription_hour (hour, topic, started, ended)
  select day::timestamp at time zone 'UTC', topic, started, ended from newsroom.subscription_day;
drop table newsroom.subscription_day;

create table newsroom.topic_audience (
  day date not null,
  topic text not null,
  people integer not null,
  counted_at timestamptz not null,
  primary key (day, topic)
);
comment on table newsroom.topic_audience is 'how many people a notice would have reached, as counted last on that day';
comment on column newsroom.topic_audience.day is 'day in Germany';
comment on column newsroom.topic_audience.topic is 'topic of the notice, which is for the whole county';
comment on column newsroom.topic_audience.people is 'number of people, without those who pause';
comment on column newsroom.topic_audience.counted_at is 'when they were counted';

alter table newsroom.broadcast add column reached_at timestamptz;
comment on column newsroom.broadcast.reached_at is
  'when WhatsApp had accepted 95 percent of its messages; null until then';
create index broadcast_started on newsroom.broadcast (started_at);

grant select, insert, update on newsroom.subscription_hour, newsroom.topic_audience to kreisfunk_newsroom;

-- migrate:down
create table newsroom.subscription_day (
  day date not null,
  topic text not null,
  started integer not null default 0,
  ended integer not null default 0,
  primary key (day, topic)
);
insert into newsroom.subscription_day (day, topic, started, ended)
  select (hour at time zone 'UTC')::date, topic, sum(started), sum(ended) from newsroom.subscription_hour group by 1, 2;
grant select, insert, update on newsroom.subscription_day to kreisfunk_newsroom;
drop table newsroom.subscription_hour;
drop table newsroom.topic_audience;
drop index newsroom.broadcast_started;
alter table newsroom.broadcast drop column reached_at;
