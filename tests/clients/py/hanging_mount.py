"""A FUSE file system that shows another folder, and whose calls hang when they are told to.

argv: the folder to show, the mount point. Obeys JSON lines on stdin, answers each with one on stdout:
{"hang": ["open", "read", …]}, {"release": true}, {"held": true}.
"""

import errno
import json
import os
import sys
import threading

import mfusepy as fuse

gate = threading.Condition()
hanging = set()
held = 0


def pass_gate(call):
    global held
    with gate:
        if call in hanging:
            held += 1
            gate.wait_for(lambda: call not in hanging)
            held -= 1


class Mirror(fuse.Operations):
    use_ns = True

    def __init__(self, root):
        self.root = root

    def at(self, path):
        return self.root + path

    def __call__(self, op, *args):
        try:
            return getattr(self, op)(*args)
        except OSError as error:
            raise fuse.FuseOSError(error.errno or errno.EIO) from None

    def init(self, path):
        print(json.dumps({"mounted": True}), flush=True)

    def getattr(self, path, fh=None):
        s = os.lstat(self.at(path)) if fh is None else os.fstat(fh)
        keys = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_blocks", "st_ino")
        times = {f"st_{t}time": getattr(s, f"st_{t}time_ns") for t in "amc"}
        return {**{key: getattr(s, key) for key in keys}, **times}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.at(path))]

    def statfs(self, path):
        s = os.statvfs(self.at(path))
        keys = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")
        return {key: getattr(s, key) for key in keys}

    def mkdir(self, path, mode):
        os.mkdir(self.at(path), mode)
        return 0

    def rmdir(self, path):
        os.rmdir(self.at(path))
        return 0

    def unlink(self, path):
        os.unlink(self.at(path))
        return 0

    def rename(self, old, new):
        os.rename(self.at(old), self.at(new))
        return 0

    def chmod(self, path, mode):
        os.chmod(self.at(path), mode)
        return 0

    def utimens(self, path, times=None):
        os.utime(self.at(path), ns=times)
        return 0

    def open(self, path, flags):
        pass_gate("open")
        return os.open(self.at(path), flags & ~os.O_CREAT)

    def create(self, path, mode, fi=None):
        pass_gate("open")
        return os.open(self.at(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        pass_gate("read")
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        pass_gate("write")
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        pass_gate("resize")
        os.truncate(self.at(path) if fh is None else fh, length)
        return 0

    def fsync(self, path, datasync, fh):
        pass_gate("sync")
        os.fdatasync(fh)
        return 0

    def flush(self, path, fh):
        return 0

    def release(self, path, fh):
        os.close(fh)
        return 0


def obey():
    global hanging
    for line in sys.stdin:
        command = json.loads(line)
        with gate:
            if "hang" in command:
                hanging = set(command["hang"])
            elif "release" in command:
                hanging = set()
                gate.notify_all()
            answer = {"held": held}
        print(json.dumps(answer), flush=True)


threading.Thread(target=obey, daemon=True).start()
fuse.FUSE(Mirror(os.path.realpath(sys.argv[1])), sys.argv[2], foreground=True, fsname="tide-hanging")
