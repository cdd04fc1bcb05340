%% Bounds the memory of a municipal login's processes in the broker, and lets everybody else's go first. RabbitMQ has no
%% such limit: it collects a message of up to 512 MiB before it looks at max_message_size, and keeps an open transaction
%% in memory, however large.
%%
%% It asks a backend of authorisation within the very process that asks: at login that of the connection, later that
%% of each channel, before the first message. So these processes bound themselves. Erlang ends one that holds more, and
%% with it the connection. Everything else is answered by RabbitMQ's own backend.
-module(kreisfunk_bounds).
-behaviour(rabbit_authz_backend).

-export([user_login_authorization/2, check_vhost_access/3, check_resource_access/4, check_topic_access/4,
         expiry_timestamp/1]).

%% Of each process. A notice has at most 64 KiB, and a channel waits for the queue with at most some forty of them, each
%% with one or two pieces of 128 KiB that were read from the socket.
-define(MAX_BYTES, 16 * 1024 * 1024).

user_login_authorization(Name, _Properties) ->
    bound_memory(Name),
    {ok, none}.

check_vhost_access(User, VHost, Data) ->
    rabbit_auth_backend_internal:check_vhost_access(User, VHost, Data).

check_resource_access(User, Resource, Permission, Context) ->
    {auth_user, Name, _Tags, _Impl} = User,
    bound_memory(Name),
    rabbit_auth_backend_internal:check_resource_access(User, Resource, Permission, Context).

check_topic_access(User, Resource, Permission, Context) ->
    rabbit_auth_backend_internal:check_topic_access(User, Resource, Permission, Context).

expiry_timestamp(_User) ->
    never.

%% Municipal logins are those with a limit of channels. A RabbitMQ that cannot be asked so lets everybody work unbounded:
%% that nobody could log in would be worse.
bound_memory(Name) ->
    try
        case rabbit_auth_backend_internal:get_user_limits(Name) of
            #{<<"max-channels">> := _} -> bound_memory_of_this_process(Name);
            _ -> ok
        end
    catch
        Class:Reason -> logger:error("the memory of ~ts is not bounded: ~tp ~tp", [Name, Class, Reason])
    end.

bound_memory_of_this_process(Name) ->
    Words = ?MAX_BYTES div erlang:system_info(wordsize),
    Bound = #{size => Words, kill => true, error_logger => true, include_shared_binaries => true},
    case process_flag(max_heap_size, Bound) of
        #{size := 0} ->
            process_flag(priority, low),
            watch(Name, self());
        _ ->
            ok
    end.

%% Who is killed tells nobody, and would count for ever among the connections and channels that the login may have.
watch(Name, Process) ->
    spawn(fun() ->
        Monitor = monitor(process, Process),
        receive
            {'DOWN', Monitor, process, Process, killed} -> tell_that_it_ended(Name, Process);
            {'DOWN', Monitor, process, Process, _} -> ok
        end
    end).

tell_that_it_ended(Name, Process) ->
    rabbit_core_metrics:channel_closed(Process),
    rabbit_event:notify(channel_closed, [{pid, Process}, {user_who_performed_action, Name}, {consumer_count, 0}]),
    rabbit_core_metrics:connection_closed(Process),
    Connections = [Id || Tracked <- rabbit_connection_tracking:list_of_user(Name),
                         Id <- [element(2, Tracked)], lists:member(Process, tuple_to_list(Tracked))],
    [rabbit_event:notify(connection_closed, [{name, Connection}, {pid, Process}, {node, Node}, {client_properties, []}])
     || {Node, Connection} <- Connections].
