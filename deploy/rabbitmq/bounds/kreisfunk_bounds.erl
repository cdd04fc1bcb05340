%% Limits the memory of a municipal login's processes in the broker, and gives them low priority. RabbitMQ has no such
%% limit: it collects a message of up to 512 MiB before it checks max_message_size, and keeps an open transaction of any
%% size in memory.
%%
%% RabbitMQ calls an authorisation backend inside the process that needs the answer: at login that of the connection,
%% later that of each channel, before the first message. So these processes limit themselves. Erlang kills a process
%% above its limit, and with it the connection. A client that sends only requests without permission checks, and reads
%% no answer, fills a channel and its writer, which never call us: a guard watches those. RabbitMQ's own backend answers
%% everything else.
-module(kreisfunk_bounds).
-behaviour(rabbit_authz_backend).

-export([user_login_authorization/2, check_vhost_access/3, check_resource_access/4, check_topic_access/4,
         expiry_timestamp/1]).
-export([shorten/2]).

%% Limit of each process. A notice has at most 64 KiB, and a channel holds at most some forty that wait for the queue,
%% each in five frames that count with the 32 KiB buffer read from the socket.
-define(MAX_BYTES, 16 * 1024 * 1024).
%% Limit of a channel's or writer's mailbox, which normally holds some forty messages and as many answers.
-define(MAX_WAITING, 5000).
-define(CHECK_INTERVAL_MS, 200).
%% Limit of a log entry, before it is broken into lines.
-define(MAX_LOGGED, 1024).

user_login_authorization(Name, _Properties) ->
    case is_bounded(Name) andalso speaks_amqp_1_0() of
        true ->
            {refused, "a municipal login speaks AMQP 0-9-1", []};
        false ->
            bound_memory(Name),
            {ok, none}
    end.

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

%% Municipal logins are those with a limit of channels. If RabbitMQ cannot tell, no login is limited: a broker that
%% nobody can log in to would be worse.
is_bounded(Name) ->
    try
        maps:is_key(<<"max-channels">>, rabbit_auth_backend_internal:get_user_limits(Name))
    catch
        Class:Reason ->
            logger:error("the memory of ~ts is not bounded: ~tp ~tp", [Name, Class, Reason]),
            false
    end.

%% An AMQP 1.0 connection has 64 sessions of 256 links, which no limit of channels counts, in processes that this module
%% does not watch.
speaks_amqp_1_0() ->
    {current_stacktrace, Stack} = process_info(self(), current_stacktrace),
    lists:keymember(rabbit_amqp_reader, 1, Stack).

bound_memory(Name) ->
    is_bounded(Name) andalso bound_memory_of_this_process(Name).

bound_memory_of_this_process(Name) ->
    Words = ?MAX_BYTES div erlang:system_info(wordsize),
    Bound = #{size => Words, kill => true, error_logger => true, include_shared_binaries => true},
    case process_flag(max_heap_size, Bound) of
        #{size := 0} ->
            process_flag(priority, low),
            logger:add_primary_filter(?MODULE, {fun ?MODULE:shorten/2, none}),
            watch(Name, self());
        _ ->
            ok
    end.

%% Unparsable headers end a channel, and RabbitMQ logs its whole state several times, 200 kB each time.
shorten(#{msg := {string, _}} = Event, none) -> Event;
shorten(#{msg := Message} = Event, none) ->
    case erlang:external_size(Message) > ?MAX_LOGGED of
        true -> Event#{msg := {string, format_shortened(Message)}};
        false -> Event
    end.

format_shortened({report, Report}) -> format_shortened({"~tp", [Report]});
format_shortened({Format, Arguments}) -> io_lib:format(Format, Arguments, [{chars_limit, ?MAX_LOGGED}]).

%% A killed process announces nothing, so it would count against the login's limits of connections and channels forever.
watch(Name, Process) ->
    spawn(fun() -> guard(Name, Process, monitor(process, Process)) end).

guard(Name, Process, Monitor) ->
    receive
        {'DOWN', Monitor, process, Process, killed} -> announce_end(Name, Process);
        {'DOWN', Monitor, process, Process, _} -> ok
    after ?CHECK_INTERVAL_MS ->
        lists:any(fun holds_too_much/1, list_served(Process)) andalso cut(Name, Process),
        guard(Name, Process, Monitor)
    end.

%% Closes the socket, which would otherwise stay open as long as answers wait in it.
cut(Name, Process) ->
    logger:warning("a connection of ~ts is cut: more waits for it than it may hold, or it reads no answers", [Name]),
    Sockets = case process_info(Process, links) of
        {links, Links} -> [Link || Link <- Links, is_port(Link)];
        undefined -> []
    end,
    [catch inet:setopts(Socket, [{linger, {true, 0}}]) || Socket <- Sockets],
    exit(Process, kill),
    [catch port_close(Socket) || Socket <- Sockets].

%% The channels of a connection, and their writers; a channel itself has none.
list_served(Process) ->
    Channels = [Channel || {{ch_pid, Channel}, _} <- read_dictionary(Process)],
    Channels ++ [Writer || Channel <- Channels, Writer <- find_writer(Channel)].

find_writer(Channel) ->
    case [Supervisor || {'$ancestors', [Supervisor | _]} <- read_dictionary(Channel), is_pid(Supervisor)] of
        [Supervisor] ->
            try [Writer || {writer, Writer, _, _} <- supervisor:which_children(Supervisor), is_pid(Writer)]
            catch exit:_ -> []  % it has ended meanwhile
            end;
        _ -> []
    end.

read_dictionary(Process) ->
    case process_info(Process, dictionary) of
        {dictionary, Dictionary} -> Dictionary;
        undefined -> []
    end.

holds_too_much(Process) ->
    case process_info(Process, [message_queue_len, memory]) of
        [{message_queue_len, Waiting}, {memory, Bytes}] -> Waiting > ?MAX_WAITING orelse Bytes > ?MAX_BYTES;
        undefined -> false
    end.

announce_end(Name, Process) ->
    rabbit_core_metrics:channel_closed(Process),
    rabbit_event:notify(channel_closed, [{pid, Process}, {user_who_performed_action, Name}, {consumer_count, 0}]),
    rabbit_core_metrics:connection_closed(Process),
    Connections = [Id || Tracked <- rabbit_connection_tracking:list_of_user(Name),
                         Id <- [element(2, Tracked)], lists:member(Process, tuple_to_list(Tracked))],
    [rabbit_event:notify(connection_closed, [{name, Connection}, {pid, Process}, {node, Node}, {client_properties, []}])
     || {Node, Connection} <- Connections].
