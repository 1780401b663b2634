"""`sigrnn bench`: what is measured, beside whom, and the pages and pictures made of it."""
