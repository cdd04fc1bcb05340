"""The Graph API as a business sees it: messages, templates, media, number info and Meta's errors."""
