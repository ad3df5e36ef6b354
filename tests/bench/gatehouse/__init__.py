"""Our side: the site as it is shipped, all its middleware included, with one view more."""
