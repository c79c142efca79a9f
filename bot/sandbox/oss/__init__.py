"""The OSS stand-in: the protocol of Alibaba Cloud OSS on loopback, with files on disk."""

from bot.sandbox.oss.stand_in import OssStandIn

__all__ = ["OssStandIn"]
