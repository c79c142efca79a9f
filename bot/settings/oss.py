"""The section `[oss]`: the bucket and the ways to it."""

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bot.settings import types
from bot.settings.section import Section
from bot.settings.types import Allowed, Contradiction


def _endpoint_of(values: dict[str, Any]) -> str:
    return f"https://oss-{values.get('region', 'cn-hongkong')}.aliyuncs.com"


class OssSettings(Section):
    """The bucket and the ways to it. Without an access key the SDK's environment variables
    count.
    """

    bucket: types.Bucket
    region: types.Region = "cn-hongkong"
    endpoint: types.WebOrigin = Field(default_factory=_endpoint_of)
    upload_endpoint: types.WebOrigin | None = None
    access_key_id: types.AccessKey | None = None
    access_key_secret: types.AccessKey | None = None
    path_style: Annotated[bool, Allowed("true or false")] = False
    proxy: types.ProxyUrl | None = None

    @property
    def credentials(self) -> Literal["settings", "environment"]:
        """Where the access key comes from."""
        return "settings" if self.access_key_id else "environment"

    @field_validator("access_key_secret")
    @classmethod
    def _complete_pair(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # An id with a mistake of its own is absent here, and reported already.
        if "access_key_id" in info.data and (info.data["access_key_id"] is None) != (
            secret is None
        ):
            raise Contradiction(
                "goes together with oss.access_key_id: set both, or neither to take them from"
                " OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET"
            )
        return secret
