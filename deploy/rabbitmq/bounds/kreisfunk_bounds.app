{application, kreisfunk_bounds,
 [{description, "Bounds the memory of municipal logins"},
  {vsn, "1.0.0"},
  {modules, [kreisfunk_bounds]},
  {registered, []},
  {applications, [kernel, stdlib, rabbit]}]}.
