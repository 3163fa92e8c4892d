from wsgidav.dav_provider import DAVProvider

class FilesystemProvider(DAVProvider):
    def __init__(self, root_folder: str, *, readonly: bool = ..., fs_opts: object = ...) -> None: ...
