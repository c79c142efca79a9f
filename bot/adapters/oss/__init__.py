"""The only package that imports `alibabacloud_oss_v2`."""
