/*
 * The exports of the translator: conversion of JavaScript values, as in addon.cc, apart because there are many and because entering
 * guest code must not pay for more than it needs.
 */
#ifndef ROMULUS_TRANSLATOR_API_H
#define ROMULUS_TRANSLATOR_API_H

#include <napi.h>

namespace romulus {

/* Adds the translator's functions to the addon's exports. */
void exportTranslator(Napi::Env env, Napi::Object exports);

}  // namespace romulus

#endif
