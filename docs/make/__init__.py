"""What the documents are made with: pictures, reference pages, the site."""
