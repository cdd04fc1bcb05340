-- migrate:up
-- Who has an account, who asked for a change of one, who began a draft, what was handed over and what the archive shows
-- are written once. Whoever breaks into the service cannot rewrite them, as no statement of it does.
revoke update on newsroom.account, newsroom.account_request, newsroom.draft, newsroom.publication,
  newsroom.archive_entry from kreisfunk_newsroom;
grant update (roles, password_hash, password_ends_at, totp_secret, totp_step, issuer, subject, disabled_at)
  on newsroom.account to kreisfunk_newsroom;
-- The payload loses its encrypted part once the request is decided.
grant update (payload, decided_by, decided_at, decision) on newsroom.account_request to kreisfunk_newsroom;
grant update (state, version, emergency, changed_at) on newsroom.draft to kreisfunk_newsroom;
grant update (state, tries, next_at, problems, broadcast, answered_at, confirmed_at) on newsroom.publication
  to kreisfunk_newsroom;
grant update (replaced_by, withdrawn_at) on newsroom.archive_entry to kreisfunk_newsroom;

-- migrate:down
grant update on newsroom.account, newsroom.account_request, newsroom.draft, newsroom.publication,
  newsroom.archive_entry to kreisfunk_newsroom;
