"""What the RFCs say, as values: no files, sockets, database, clock or WsgiDAV in here.

Law of the folder: values come in, values go out. It may import itself, the pure parts of the
standard library, and lxml to read XML. It never imports `os`, `socket`, `sqlite3`, `time`,
`wsgidav` or another room of this house.
"""
