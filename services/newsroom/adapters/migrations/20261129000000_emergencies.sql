-- migrate:up
-- What is sent in an emergency is on record as that, with its reason. The new constraint permits all that the old one did.
-- squawk-ignore ban-drop-constraint
alter table newsroom.decision drop constraint decision_verdict_check;
alter table newsroom.decision add constraint decision_verdict_check check (
  verdict in ('submit', 'approve', 'approve_amount', 'return', 'emergency', 'review')) not valid;
comment on table newsroom.decision is
  'submissions, approvals, returns, emergencies and later reviews of a version; each account approves a version once';
comment on column newsroom.decision.verdict is
  'submit, approve, approve_amount (by a lead), return, emergency for sending before anybody has approved, or review of that';
comment on column newsroom.decision.reason is 'why it was returned, or sent in an emergency; empty otherwise';

-- migrate:down
delete from newsroom.decision where verdict = 'emergency';
alter table newsroom.decision drop constraint decision_verdict_check;
alter table newsroom.decision add constraint decision_verdict_check check (
  verdict in ('submit', 'approve', 'approve_amount', 'return', 'review')) not valid;
