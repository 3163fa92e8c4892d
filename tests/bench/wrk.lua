-- Sends one request over and over: method, body, Depth; and says at the end what came of it.

function init(args)
   wrk.method = args[1]
   if args[2] ~= "" then
      wrk.body = args[2]
      wrk.headers["Content-Type"] = "application/xml; charset=utf-8"
   end
   if args[3] ~= "" then
      wrk.headers["Depth"] = args[3]
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "microseconds": %d, "bytes": %d, "connect": %d, "read": %d, '
         .. '"write": %d, "status": %d, "timeout": %d}\n',
      summary.requests, summary.duration, summary.bytes, errors.connect, errors.read,
      errors.write, errors.status, errors.timeout))
end
