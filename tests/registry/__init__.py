"""One line per part: a part that stands here is held to the laws of `gibbsite.testing`."""
