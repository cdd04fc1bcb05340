-- migrate:up
-- A broadcast whose template is paused has the status 'template_paused'; it was 'held'.
do $$
declare
    changed regprocedure;
begin
    foreach changed in array array['dispatcher.standing(uuid)', 'dispatcher.pause_broadcast(uuid, text)',
        'dispatcher.cancel_broadcast(uuid, text, boolean)', 'dispatcher.resend_missing(uuid, boolean)']::regprocedure[]
    loop
        execute replace(pg_get_functiondef(changed), '''held''', '''template_paused''');
    end loop;
end
$$;

-- migrate:down
do $$
declare
    changed regprocedure;
begin
    foreach changed in array array['dispatcher.standing(uuid)', 'dispatcher.pause_broadcast(uuid, text)',
        'dispatcher.cancel_broadcast(uuid, text, boolean)', 'dispatcher.resend_missing(uuid, boolean)']::regprocedure[]
    loop
        execute replace(pg_get_functiondef(changed), '''template_paused''', '''held''');
    end loop;
end
$$;
