mod events;
mod fleet;
mod jobs;
mod schema;
mod things;
mod wire;
mod world;
