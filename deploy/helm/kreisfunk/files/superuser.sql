-- What kreisfunk_owner needs and only a superuser can give. The database operator runs it; on a server of your own, run it
-- once in the database kreisfunk, which kreisfunk_owner owns. Each line is one statement.
alter role kreisfunk_owner createrole;
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;
