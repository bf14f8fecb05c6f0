"""The verbs, called as a front end calls them."""
