"""The one catalogue, which the modules beside this fill."""

from audit.declarations import Catalogue

CATALOGUE = Catalogue()
