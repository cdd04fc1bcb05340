-- migrate:up
-- Two replicas that got the same page at once each counted its messages for the budget of the month: the second, which
-- waits here for the first, did not see its deliveries when it chose its own. As the function is volatile, it does now.
create or replace function dispatcher.limit_claims(sender text, ids uuid[], subscribers uuid[], first_claims boolean[])
returns table (id uuid, waits_for dispatcher.wait_cause) language plpgsql volatile as $$
#variable_conflict use_column
declare
    people_left integer;
    messages_left integer;
    this_minute timestamptz;
    causes dispatcher.wait_cause[];
begin
    perform from dispatcher.rate r where r.number = sender for update;
    select a.people, a.messages into people_left, messages_left from dispatcher.allowance(sender) a;
    this_minute := date_trunc('minute', clock_timestamp());
    if messages_left is not null then
        select array_agg(c.is_first and not exists (select from dispatcher.delivery d where d.id = c.id and d.claim > 0)
            order by c.place) into first_claims
        from unnest(ids, first_claims) with ordinality as c (id, is_first, place);
    end if;
    with wanted as (
        select c.*, people_left is not null and not exists (
            select from dispatcher.reached r
            where r.subscriber = c.subscriber and r.minute > clock_timestamp() - interval '24 hours 1 minute'
        ) as fresh
        from unnest(ids, subscribers, first_claims) with ordinality as c (id, subscriber, is_first, place)
    ), numbered as (
        select *, sum(fresh::int) over (order by place) as people, sum(is_first::int) over (order by place) as messages
        from wanted
    )
    select array_agg(case when fresh and people > people_left then 'people'
        when is_first and messages > messages_left then 'budget' end::dispatcher.wait_cause order by place) into causes
    from numbered;
    if people_left is not null then
        with person as (
            select distinct c.subscriber from unnest(subscribers, causes) as c (subscriber, cause)
            where c.cause is null
        ), moved as (
            select r.minute, -count(*) as people
            from dispatcher.reached r join person using (subscriber) group by r.minute
            union all select this_minute, count(*) from person having count(*) > 0
        ), noted as (
            insert into dispatcher.reached (subscriber, minute) select subscriber, this_minute from person
            on conflict (subscriber) do update set minute = excluded.minute
        )
        insert into dispatcher.reached_minute as m (minute, people)
        select minute, sum(people) from moved group by minute
        on conflict (minute) do update set people = m.people + excluded.people;
    end if;
    if messages_left is not null then
        insert into dispatcher.sent_month as s (month, messages)
        select dispatcher.this_month(), count(*) from unnest(first_claims, causes) as c (is_first, cause)
        where c.is_first and c.cause is null having count(*) > 0
        on conflict (month) do update set messages = s.messages + excluded.messages;
    end if;
    return query select c.id, c.cause from unnest(ids, causes) as c (id, cause) where c.cause is not null;
end
$$;

-- migrate:down
create or replace function dispatcher.limit_claims(sender text, ids uuid[], subscribers uuid[], first_claims boolean[])
returns table (id uuid, waits_for dispatcher.wait_cause) language plpgsql volatile as $$
#variable_conflict use_column
declare
    people_left integer;
    messages_left integer;
    this_minute timestamptz;
    causes dispatcher.wait_cause[];
begin
    perform from dispatcher.rate r where r.number = sender for update;
    select a.people, a.messages into people_left, messages_left from dispatcher.allowance(sender) a;
    this_minute := date_trunc('minute', clock_timestamp());
    with wanted as (
        select c.*, people_left is not null and not exists (
            select from dispatcher.reached r
            where r.subscriber = c.subscriber and r.minute > clock_timestamp() - interval '24 hours 1 minute'
        ) as fresh
        from unnest(ids, subscribers, first_claims) with ordinality as c (id, subscriber, is_first, place)
    ), numbered as (
        select *, sum(fresh::int) over (order by place) as people, sum(is_first::int) over (order by place) as messages
        from wanted
    )
    select array_agg(case when fresh and people > people_left then 'people'
        when is_first and messages > messages_left then 'budget' end::dispatcher.wait_cause order by place) into causes
    from numbered;
    if people_left is not null then
        with person as (
            select distinct c.subscriber from unnest(subscribers, causes) as c (subscriber, cause)
            where c.cause is null
        ), moved as (
            select r.minute, -count(*) as people
            from dispatcher.reached r join person using (subscriber) group by r.minute
            union all select this_minute, count(*) from person having count(*) > 0
        ), noted as (
            insert into dispatcher.reached (subscriber, minute) select subscriber, this_minute from person
            on conflict (subscriber) do update set minute = excluded.minute
        )
        insert into dispatcher.reached_minute as m (minute, people)
        select minute, sum(people) from moved group by minute
        on conflict (minute) do update set people = m.people + excluded.people;
    end if;
    if messages_left is not null then
        insert into dispatcher.sent_month as s (month, messages)
        select dispatcher.this_month(), count(*) from unnest(first_claims, causes) as c (is_first, cause)
        where c.is_first and c.cause is null having count(*) > 0
        on conflict (month) do update set messages = s.messages + excluded.messages;
    end if;
    return query select c.id, c.cause from unnest(ids, causes) as c (id, cause) where c.cause is not null;
end
$$;
