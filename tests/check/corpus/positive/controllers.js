angular.module("kitchen").controller("OrdersCtrl", [
  "$scope",
  "socket",
  function ($scope, socket) {
    socket.on("order", (order) => $scope.orders.push(order)); // expect: listener-without-cleanup
  },
]);

angular.module("kitchen").controller("StoveCtrl", StoveCtrl);

function StoveCtrl($scope, socket) {
  socket.on("heat", (heat) => ($scope.heat = heat)); // expect: listener-without-cleanup
}

angular.module("kitchen").controller("MenuCtrl", ($scope, $http, socket) => {
  $http.get("/api/dishes").success((dishes) => {
    socket.syncUpdates("dish", dishes); // expect: listener-without-cleanup
  });
});
