mod events;
mod fleet;
mod jobs;
mod schema;
mod shadows;
mod things;
mod wire;
mod world;
