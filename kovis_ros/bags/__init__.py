"""Roll-outs in rosbag2 bags: MCAP, zstd, read and written without ROS (`rosbags` is imported here and nowhere else).

A bag is one folder: `metadata.yaml` and shards `NAME_0000.mcap`, `NAME_0001.mcap`, ..., each complete in itself.
Recording is begin() -> write_shard() as often as needed, from any process and in any order -> finish().
"""

from kovis_ros.bags.layout import shard_path, shards
from kovis_ros.bags.reading import BagInfo, info, read_evenly, read_samples, read_shard, shard_samples
from kovis_ros.bags.sample import BagError, Recording, Sample, stamp
from kovis_ros.bags.writing import begin, begun, expect, finish, write_shard

__all__ = [
    "BagError",
    "BagInfo",
    "Recording",
    "Sample",
    "begin",
    "begun",
    "expect",
    "finish",
    "info",
    "read_evenly",
    "read_samples",
    "read_shard",
    "shard_path",
    "shard_samples",
    "shards",
    "stamp",
    "write_shard",
]
