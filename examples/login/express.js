// An Express application that returns a share token for the user who is logged in.
'use strict';

const express = require('express');

const app = express();

// Put your own login here; this placeholder trusts a header.
app.use((req, res, next) => {
  const id = req.get('x-session');
  if (!id) return res.status(401).json({ error: 'log in first' });
  req.user = { id };
  next();
});

app.post('/share-token', async (req, res, next) => {
  try {
    const answer = await fetch(`${process.env.SHARES_URL}/tokens`, {
      method: 'POST',
      headers: { 'Authorization': `Bearer ${process.env.SHARES_KEY}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ userId: String(req.user.id), ttl: 900 }),
      signal: AbortSignal.timeout(5000),
    });
    res.status(answer.status).json(await answer.json());
  } catch (error) {
    next(error);
  }
});

app.listen(Number(process.env.PORT || 3000), '127.0.0.1');
