CREATE TABLE member_diary (
  id VARCHAR(36) PRIMARY KEY,
  user_id VARCHAR(128) NOT NULL,
  content_type VARCHAR(32) NOT NULL,
  content_id VARCHAR(128) NOT NULL,
  what VARCHAR(16) NOT NULL
);
