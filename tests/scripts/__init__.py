r"""Scripts: one request a line with its expected answer, read by `language`, played by `play`.

A file holds cases. Each begins with `== title`, has a fresh directory and a fresh server, and is
played twice: by a WSGI call, and over a real socket. Lines that begin with `#` are comments.

    == A missing parent is 409, and named
    file /x "hello"
    MOVE /x /none/x -> 409
        has "/none/"
    content /x "hello"

A line that ends in `-> status` is a request: method, target exactly as it is sent, for COPY and
MOVE the Destination (`-` sends none), then `as NAME` to log in, and headers without spaces as
`Depth:0`. Indented lines below it send more, or expect something of the answer.

Sent with the request:

    > Name: value            a header; without a value the header is left out
    body "text"              the content
    | text                   a line of the content; the lines are joined
    chunked                  the content goes in small chunks, without a length
    announces 100            what Content-Length says, whatever the content has

Expected of the answer:

    < Name: value            exactly this header; `< Name has part`, `< Name lacks part`,
                             `< Name absent`
    is "text"                the whole body; `is /path` for the content of a file on the disk
    has "text"               a part of the body; `lacks "text"` for none
    xpath EXPRESSION         holds of the XML body, D is DAV:; `xpath EXPRESSION = "text"`
    error CODE /href...      the body is a DAV error with this condition and exactly these hrefs
    lists /href...           all such lines together are exactly the hrefs of the 207
    fails /href 423 CODE /href...
                             all such lines together are exactly the responses of the 207
    prop /href NAME 404      the status of a property in the 207, or that it is `absent` there
                             (D:name, {namespace}name or name);
                             `prop /href NAME "text"` is found with this text,
                             `prop /href NAME has "text"` with this part
    part 0-1/10 "text"       all such lines together are the parts of a multipart/byteranges
    keep $name = Header      remembers a header (without angle brackets), for later use as $name;
                             `keep $name = xpath EXPRESSION` the text of an XML body

Lines between the requests; paths are escaped as in URLs, and missing collections are made:

    file /path "text"        a file; `file /path 1000 bytes` of some content
    collection /path         fifo /path                  socket /path
    symlink /path to TEXT    hardlink /path to /path     chmod 640 /path
    xattr /path user.a "b"   group 12345 /path           time /path 2001-02-03T04:05:06Z
    unlink /path             removes a file behind the server's back
    exists /path             absent /path                content /path "text"
    mode /path 640           has-group 12345 /path       has-xattr /path user.a "b"
    leads /path TEXT         what a symbolic link says
    holds /path name...      exactly the names in a directory
    clock +3600              lets seconds pass
    restart                  the server ends, and a new one begins on the same files
    let $name = "text"       a name for a text; `let $name = "text" times 9`, where {n} counts
    for $name in a b c       the rest of the case is played once for each

Lines before the first request choose the server:

    shares docs pics         several shares below `/`, for directories of these names
    read-only pics           shares that are (`/` for the only one)
    users alice bob          accounts; the password of alice is alice's
    hosts nas.example        allowed_hosts
    option name value        infinite_depth off, lock_timeout 600, follow_symlinks on,
                             file_mode 640, dir_mode 750, state /path (in the share)

The names $exclusive and $shared are always there: the XML of a LOCK for such a lock.
Texts in quotes have the escapes \n \r \t \" \\ and \xff for a byte; `$$` is a dollar.

What holds of every answer is checked without being written: a refusal changes no file, lock or
property, nor does a method that only reads; nothing beside the served directory changes; no
temporary name is left behind; HEAD tells what GET tells; a 207 is one by RFC 4918 section 13, and
each failed member in it one line of the log; and so on (`sound`).
"""
