-- migrate:up

-- A template is known by its name and its language, as NAME/LANGUAGE: Meta reviews, pauses and approves each on its own.
update dispatcher.broadcast
set template = template || '/' || replace(content #>> '{template,language,code}', '-', '_')
where content #>> '{template,language,code}' is not null;

insert into dispatcher.template_hold (template, reason, held_at)
select distinct b.template, h.reason, h.held_at
from dispatcher.template_hold h join dispatcher.broadcast b on split_part(b.template, '/', 1) = h.template;
delete from dispatcher.template_hold where strpos(template, '/') = 0;

-- migrate:down
update dispatcher.broadcast set template = split_part(template, '/', 1);
insert into dispatcher.template_hold (template, reason, held_at)
select distinct on (split_part(template, '/', 1)) split_part(template, '/', 1), reason, held_at
from dispatcher.template_hold order by split_part(template, '/', 1), held_at
on conflict do nothing;
delete from dispatcher.template_hold where strpos(template, '/') > 0;
