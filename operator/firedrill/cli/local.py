"""What stands for a cluster where there is none."""

from typing import Final

#: The cluster of results that were made here, without any, and of documents that name none.
LOCAL: Final = "local"
