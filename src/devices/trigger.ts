/** An interrupt line as a device sees it: it drives a level and knows neither the controller nor its own number. */
export interface Trigger {
  /** Drives the line high (true) or low (false). Edge-triggered inputs latch on the rise. */
  set(level: boolean): void;
}
