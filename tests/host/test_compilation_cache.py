import logging
import warnings

from jaxcnn.host.compilation_cache import _tell_once_of_no_room


def test_a_full_disk_is_told_once_and_other_warnings_are_shown(tmp_path, caplog, monkeypatch):
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_, **__: shown.append(message))
    _tell_once_of_no_room(tmp_path)
    failed = "Error writing persistent compilation cache entry for 'jit_add': OSError: [Errno 28] "
    with caplog.at_level(logging.WARNING):
        for text in (f"{failed}No space left on device", f"{failed}Disk quota exceeded", "other"):
            warnings.showwarning(UserWarning(text), UserWarning, "compiler.py", 833)
    assert [str(message) for message in shown] == ["other"]
    assert caplog.messages == [
        f"compiled programs cannot be cached in {tmp_path} (no space left on device); the next "
        "start compiles them again"
    ]
